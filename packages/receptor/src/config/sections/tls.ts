import { bool, defineSection, string, stringList } from '../section.js';

const mintls13 = bool('Set minimum TLS version to 1.3. Otherwise the minimum is 1.2', { default: 'false' });

export const tlsServer = defineSection({
  name: 'tls-server',
  group: 'resources',
  help: 'Define a TLS server configuration',
  fields: {
    name: string('Name of this TLS server configuration', { required: true }),
    cert: string('Server certificate filename', { required: true }),
    key: string('Server private key filename', { required: true }),
    requireclientcert: bool('Require client certificates', { default: 'false' }),
    clientcas: string('Filename of CA bundle to verify client certs with'),
    pinnedclientcert: stringList('Pinned fingerprint of required client certificate'),
    skipreceptornamescheck: bool('Skip verifying ReceptorNames OIDs in certificate at startup', {
      default: 'false',
    }),
    mintls13,
  },
});

export const tlsClient = defineSection({
  name: 'tls-client',
  group: 'resources',
  help: 'Define a TLS client configuration',
  fields: {
    name: string('Name of this TLS client configuration', { required: true }),
    cert: string('Client certificate filename', { required: true }),
    key: string('Client private key filename', { required: true }),
    rootcas: string('Root CA bundle to use instead of system trust'),
    insecureskipverify: bool('Accept any server cert', { default: 'false' }),
    pinnedservercert: stringList('Pinned fingerprint of required server certificate'),
    skipreceptornamescheck: bool('if true, skip verifying ReceptorNames OIDs in certificate at startup'),
    mintls13,
  },
  checks: {
    prepare: ({ cert, key }) =>
      (cert === '') === (key === '')
        ? undefined
        : 'error preparing tls client config: cert and key must both be supplied or neither',
  },
});
