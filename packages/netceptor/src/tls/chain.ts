import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { MeshError } from '../errors.js';

/** What a certificate is used for: the OIDs of the extended key usage. */
export const Usage = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;
const ANY_USAGE = '2.5.29.37.0';
/** The longest way from a certificate to its root. */
const MAX_DEPTH = 10;

/** The certificates in a PEM text, each with a key that can be read. @throws MeshError `RECEPTOR_MESH_TLS` */
export function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => {
      const certificate = new X509Certificate(block);
      // Asked for, because only then is it read.
      void certificate.publicKey;
      return certificate;
    });
  } catch (error) {
    throw new MeshError('RECEPTOR_MESH_TLS', 'a certificate cannot be read', { cause: error });
  }
}

/** Why a chain is not accepted, with the TLS alert that says so to the other side. */
export interface ChainProblem {
  readonly text: string;
  readonly alert: 'bad_certificate' | 'certificate_expired' | 'unknown_ca';
}

let systemRoots: X509Certificate[] | undefined;

/**
 * Looks for a way from the first certificate over any of the others to one of the roots; those of the system when none are
 * given. Returns what is wrong, in the words of Go, or undefined.
 */
export function findChainProblem(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[] | undefined,
  usage: string,
  now: number,
): ChainProblem | undefined {
  const [leaf, ...others] = chain;
  if (!leaf) return { text: 'RVF failed: peer certificate missing', alert: 'bad_certificate' };
  const expired = validityProblem(leaf, now);
  if (expired) return expired;
  const usages: readonly string[] | undefined = leaf.keyUsage;
  if (usages && usages.length > 0 && !usages.includes(usage) && !usages.includes(ANY_USAGE))
    return { text: 'x509: certificate specifies an incompatible key usage', alert: 'bad_certificate' };
  systemRoots ??= roots ? undefined : rootCertificates.map((pem) => new X509Certificate(pem));
  if (leadsTo(leaf, others, roots ?? systemRoots ?? [], now, MAX_DEPTH)) return undefined;
  return { text: 'x509: certificate signed by unknown authority', alert: 'unknown_ca' };
}

function leadsTo(
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now: number,
  depth: number,
): boolean {
  if (depth === 0) return false;
  if (roots.some((root) => root.raw.equals(certificate.raw) || isIssuer(root, certificate, now))) return true;
  return others.some(
    (other, i) =>
      isIssuer(other, certificate, now) &&
      leadsTo(
        other,
        others.filter((_, j) => j !== i),
        roots,
        now,
        depth - 1,
      ),
  );
}

function isIssuer(issuer: X509Certificate, certificate: X509Certificate, now: number): boolean {
  if (!issuer.ca || !certificate.checkIssued(issuer) || validityProblem(issuer, now)) return false;
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    // A key that cannot be read has signed nothing.
    return false;
  }
}

function validityProblem(certificate: X509Certificate, now: number): ChainProblem | undefined {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (now >= from && now <= to) return undefined;
  if (Number.isNaN(from) || Number.isNaN(to))
    return { text: 'x509: certificate has a validity that cannot be read', alert: 'bad_certificate' };
  const [which, when] = now < from ? ['before', from] : ['after', to];
  const iso = (time: number) => `${new Date(time).toISOString().slice(0, 19)}Z`;
  return {
    text: `x509: certificate has expired or is not yet valid: current time ${iso(now)} is ${which} ${iso(when)}`,
    alert: 'certificate_expired',
  };
}
