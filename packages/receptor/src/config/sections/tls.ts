import { bool, defineSection, string, stringList } from '../section.js';

const mintls13 = bool('Set minimum TLS version to 1.3. Otherwise the minimum is 1.2', { default: 'false' });

function checkName({ name }: { readonly name: string }): string | undefined {
  return name === '' ? 'must provide a name' : undefined;
}

export const tlsServer = defineSection({
  name: 'tls-server',
  group: 'resources',
  help: 'Define a TLS server configuration',
  fields: {
    name: string('Name of this TLS server configuration', { required: true }),
    cert: string('Server certificate filename', { required: true }),
    key: string('Server private key filename', { required: true }),
    requireclientcert: bool('Require client certificates', { default: 'false' }),
    clientcas: string('Filename of CA bundle to verify client certs with', {
      note: 'Clients need a certificate then, also without `requireclientcert`.',
    }),
    pinnedclientcert: stringList('Pinned fingerprint of required client certificate', {
      note: 'SHA-256 or SHA-512 in hexadecimal digits, with or without colons.',
    }),
    skipreceptornamescheck: bool('Skip verifying ReceptorNames OIDs in certificate at startup', {
      default: 'false',
    }),
    mintls13,
  },
  checks: { prepare: checkName },
});

export const tlsClient = defineSection({
  name: 'tls-client',
  group: 'resources',
  help: 'Define a TLS client configuration',
  fields: {
    name: string('Name of this TLS client configuration', { required: true }),
    cert: string('Client certificate filename', { required: 'list' }),
    key: string('Client private key filename', { required: 'list' }),
    rootcas: string('Root CA bundle to use instead of system trust'),
    insecureskipverify: bool('Accept any server cert', { default: 'false' }),
    pinnedservercert: stringList('Pinned fingerprint of required server certificate', {
      note: 'SHA-256 or SHA-512 in hexadecimal digits, with or without colons.',
    }),
    skipreceptornamescheck: bool('if true, skip verifying ReceptorNames OIDs in certificate at startup'),
    mintls13,
  },
  checks: {
    prepare: ({ name, cert, key }) =>
      (cert === '') === (key === '')
        ? checkName({ name })
        : 'error preparing tls client config: cert and key must both be supplied or neither',
  },
});
