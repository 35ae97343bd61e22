import { isIP } from 'node:net';
import { bool, defineSection, int, string, stringList } from '../section.js';

const commonname = string('Common name to assign to the certificate', { required: true });
const notbefore = string('Effective (NotBefore) date/time, in RFC3339 format');
const notafter = string('Expiration (NotAfter) date/time, in RFC3339 format');

export const certInit = defineSection({
  name: 'cert-init',
  plural: 'cert-init',
  group: 'certificates',
  help: 'Initialize PKI CA',
  exclusive: true,
  fields: {
    commonname,
    bits: int('Bit length of the encryption keys of the certificate', { required: true }),
    notbefore,
    notafter,
    outcert: string('File to save the CA certificate to', { required: true }),
    outkey: string('File to save the CA private key to', { required: true }),
  },
});

export const certMakereq = defineSection({
  name: 'cert-makereq',
  group: 'certificates',
  help: 'Create certificate request',
  exclusive: true,
  fields: {
    commonname,
    bits: int('Bit length of the encryption keys of the certificate'),
    dnsname: stringList('DNS names to add to the certificate'),
    ipaddress: stringList('IP addresses to add to the certificate'),
    nodeid: stringList('Receptor node IDs to add to the certificate'),
    outreq: string('File to save the certificate request to', { required: true }),
    inkey: string('Private key to use for the request'),
    outkey: string('File to save the private key to (new key will be generated)'),
  },
  checks: {
    prepare({ bits, inkey, outkey }) {
      if (!inkey && !outkey) return 'must provide either InKey or OutKey';
      if (inkey && outkey) return 'cannot use both InKey and OutKey';
      if (inkey && bits !== 0) return 'cannot specify key bits when reading an already-existing key';
      return outkey && bits === 0 ? 'must specify key bits when creating a new key' : undefined;
    },
    run({ ipaddress }) {
      const wrong = ipaddress.find((address) => isIP(address) === 0);
      return wrong === undefined ? undefined : `invalid IP address: ${wrong}`;
    },
  },
});

export const certSignreq = defineSection({
  name: 'cert-signreq',
  group: 'certificates',
  help: 'Sign request and produce certificate',
  exclusive: true,
  fields: {
    req: string('Certificate Request PEM filename', { required: true }),
    cacert: string('CA certificate PEM filename', { required: true }),
    cakey: string('CA private key PEM filename', { required: true }),
    notbefore,
    notafter,
    outcert: string('File to save the signed certificate to', { required: true }),
    verify: bool('If true, do not prompt the user for verification', { default: 'False' }),
  },
});
