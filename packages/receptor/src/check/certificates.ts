import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { nodeIdsOf, parseFingerprints, TlsServerProfile } from '@receptor/netceptor';
import { describeFileError } from '../config/file-error.js';
import type { ConfigItem, Report } from '../config/item.js';
import type { Position } from '../config/raw.js';

/** A section with certificates, whichever side it is for. */
type TlsItem = Extract<ConfigItem, { readonly section: 'tls-server' | 'tls-client' }>;

const ROLES = {
  'tls-server': { usage: '1.3.6.1.5.5.7.3.1', called: 'servers', refusedBy: 'whoever connects' },
  'tls-client': { usage: '1.3.6.1.5.5.7.3.2', called: 'clients', refusedBy: 'servers' },
} as const;
const ANY_USAGE = '2.5.29.37.0';
/** How long before its end a certificate is warned of, in milliseconds. */
const SOON_MS = 30 * 86_400_000;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

/**
 * Tells everything for which the certificates of a section will not be accepted: by the daemon itself when it starts, or by
 * those it is shown to.
 * @param nodeId for which the node's own certificates have to be
 * @param now milliseconds since 1970
 * @param warn is told of what is to come
 */
export async function checkCertificates(
  item: TlsItem,
  nodeId: string,
  now: number,
  report: Report,
  warn: Report,
): Promise<void> {
  const { settings, section } = item;
  const { cert: certFile, key: keyFile } = settings;
  const authorities = item.section === 'tls-server' ? item.settings.clientcas : item.settings.rootcas;
  const pins =
    item.section === 'tls-server' ? item.settings.pinnedclientcert : item.settings.pinnedservercert;
  const places: Readonly<Record<string, Position | undefined>> = item.fieldsAt;
  const at = (field: string): Position => places[field] ?? item.at;
  const read = async (field: string, file: string): Promise<string | undefined> => {
    if (file === '') return undefined;
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      report({ message: `${section}: ${describeFileError(file, cause)}`, at: at(field), cause });
      return undefined;
    }
  };
  /** Tells what is wrong with the time of each certificate of a file, and returns them. */
  const certificates = (field: string, file: string, pem: string): X509Certificate[] => {
    const found = certificatesOf(pem);
    for (const certificate of found) {
      const name = certificate.subject.replaceAll('\n', ', ') || 'no subject';
      const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
      const told = (what: string) => ({
        message: `${section}: the certificate of ${name} in ${file} ${what}`,
        at: at(field),
      });
      if (now > to) report(told(`has expired on ${day(to)}: nobody accepts it`));
      else if (now < from) report(told(`is not valid before ${day(from)}: nobody accepts it until then`));
      else if (to - now < SOON_MS) warn(told(`expires on ${day(to)}`));
    }
    return found;
  };

  const [cert, key] = [await read('cert', certFile), await read('key', keyFile)];
  if (cert !== undefined && key !== undefined) {
    try {
      // It reads both, and holds the one against the other; which side it is for makes no difference there.
      void new TlsServerProfile({ cert, key });
    } catch (cause) {
      report({
        message: `${section}: ${textOf(cause)} (cert ${certFile}, key ${keyFile})`,
        at: at('cert'),
        cause,
      });
    }
  }
  const [leaf] = cert === undefined ? [] : certificates('cert', certFile, cert);
  if (leaf) {
    const { usage, called, refusedBy } = ROLES[section];
    const usages: readonly string[] | undefined = leaf.keyUsage;
    if (usages && usages.length > 0 && !usages.includes(usage) && !usages.includes(ANY_USAGE))
      report({
        message: `${section}: the certificate in ${certFile} is not for ${called} (its extended key usage): ${refusedBy} will not accept it`,
        at: at('cert'),
      });
    const names = nodeIdsOf(leaf);
    if (!settings.skipreceptornamescheck && !names.includes(nodeId))
      report({
        message: `${section}: nodeID=${nodeId} not found in certificate name(s); names found=[${names.join(' ')}]; server cert=${certFile}`,
        at: at('cert'),
      });
  }
  const authorityField = section === 'tls-server' ? 'clientcas' : 'rootcas';
  const bundle = await read(authorityField, authorities);
  if (bundle !== undefined && certificates(authorityField, authorities, bundle).length === 0)
    report({ message: `${section}: there is no certificate in ${authorities}`, at: at(authorityField) });
  try {
    parseFingerprints(pins);
  } catch (cause) {
    const field = section === 'tls-server' ? 'pinnedclientcert' : 'pinnedservercert';
    report({ message: `${section}: ${textOf(cause)}`, at: at(field), cause });
  }
}

/** The certificates of a PEM text that can be read; of the others something else tells. */
function certificatesOf(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}
