import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { MeshError } from '../errors.js';
import { findChainProblem, parseCertificates, Usage } from '../tls/chain.js';
import { parseFingerprints } from '../tls/fingerprints.js';
import { nodeIdsOf } from '../tls/node-ids.js';
import { TlsClientProfile, TlsServerProfile } from '../tls/profile.js';
import { capturedCertificates } from './corpus.js';
import { mutate } from './mutate.js';
import { check, type FuzzTarget, refused } from './target.js';

const pemOf = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`;
const isRefusal = (error: unknown) =>
  error instanceof MeshError && ['RECEPTOR_MESH_TLS', 'RECEPTOR_MESH_OPTIONS'].includes(error.code);

/** One with an elliptic curve; it says that no TLS is configured. */
const ELLIPTIC = Buffer.from(
  'MIIBPjCB5aADAgECAgEBMAoGCCqGSM49BAMCMCkxJzAlBgNVBAMMHm5ldGNlcHRvci1pbnNlY3VyZS1jb21tb24tbmFtZTAeFw0yNjAxMDEyMzU5' +
    'MDBaFw0yNjAxMDMwMDAwMDBaMCkxJzAlBgNVBAMMHm5ldGNlcHRvci1pbnNlY3VyZS1jb21tb24tbmFtZTBZMBMGByqGSM49AgEGCCqGSM49' +
    'AwEHA0IABFkR1zSRIus5jya4nATSUo5Jlt6fnqiHTsE2clD0LjizgtMYSoizzTPPgVXsrIAfSO7WDS5ewWHWFmWH7Gbyo78wCgYIKoZIzj0E' +
    'AwIDSAAwRQIgMti7N7Erd9JozxeFiK5wJLeHdI2Zacs42rXVMGt2yLUCIQCJM7FRM+T3tshGPSGmoY5CYMWIxD/+yDff5xqtafzSmw==',
  'base64',
);

/** Certificates as a peer could show them, and as a file could hold them. */
export function certificatesTarget(): FuzzTarget {
  const authentic = capturedCertificates().map((pem) => new X509Certificate(pem));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const corpus = [...authentic.map(({ raw }) => raw), ELLIPTIC];
  const now = Date.parse(authentic[0]?.validFrom ?? '') + 1000;
  return {
    name: 'certificates',
    generate: (random) => mutate(random, corpus),
    run(input) {
      const pem = pemOf(input);
      for (const text of [pem, input.toString('latin1')]) {
        refused(() => new TlsServerProfile({ cert: text, key, clientCas: text }), isRefusal);
        refused(() => new TlsClientProfile({ rootCas: text, cert: text, key: text }), isRefusal);
        refused(() => parseFingerprints([text]), isRefusal);
      }
      const [shown] = refused(() => parseCertificates(pem), isRefusal) ?? [];
      if (!shown) return;
      nodeIdsOf(shown);
      for (const chain of [
        [shown],
        [shown, ...authentic],
        [...authentic, shown].reverse(),
        [...authentic, shown],
      ])
        for (const roots of [authentic, [shown], []]) {
          const problem = findChainProblem(chain, roots, Usage.client, now);
          check(problem === undefined || problem.text !== '', 'a certificate is refused without a reason');
        }
      const profile = new TlsClientProfile({ rootCas: pem });
      const refusal = profile.refuseService([shown], 'foo', now);
      check(refusal === undefined || refusal.text !== '', 'a service is refused without a reason');
    },
  };
}
