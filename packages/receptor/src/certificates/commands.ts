import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Pkcs10CertificateRequest } from '@peculiar/x509';
import { type ConfigItem, configError } from '../config/item.js';
import type { Settings } from '../config/sections/index.js';
import {
  createAuthority,
  createRequest,
  newKey,
  requestedNames,
  signRequest,
  type Validity,
} from './authority.js';
import type { CertificateNames } from './names.js';
import { findPrivateKey, keyToPem, loadCertificate, loadPrivateKey, loadRequest, savePem } from './pem.js';

/** Where a question is asked and answered. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * Does what a certificate section says (reference: mesh, 6.3).
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function runCertificateCommand(item: ConfigItem, terminal: Terminal): Promise<void> {
  if (item.section === 'cert-init') await init(item.settings);
  else if (item.section === 'cert-makereq') await makeRequest(item.settings);
  else if (item.section === 'cert-signreq') await sign(item.settings, terminal);
}

async function init({ commonname, bits, outcert, outkey, ...times }: Settings<'cert-init'>): Promise<void> {
  const key = await newKey(checkName(commonname) && bits);
  const certificate = await createAuthority(commonname, key, validity(times));
  await savePem(outcert, certificate.toString('pem'));
  await savePem(outkey, keyToPem(key));
}

async function makeRequest(settings: Settings<'cert-makereq'>): Promise<void> {
  const { commonname, bits, dnsname, ipaddress, nodeid, outreq, inkey, outkey } = settings;
  const key = inkey ? await findPrivateKey(inkey) : await newKey(checkName(commonname) && bits);
  const names = { dns: dnsname, ip: ipaddress, nodeIds: nodeid };
  const request = await createRequest(commonname, names, key);
  await savePem(outreq, request.toString('pem'));
  if (outkey) await savePem(outkey, keyToPem(key));
}

async function sign(settings: Settings<'cert-signreq'>, terminal: Terminal): Promise<void> {
  const authority = await loadCertificate(settings.cacert);
  const key = await loadPrivateKey(settings.cakey);
  const request = await loadRequest(settings.req);
  const names = requestedNames(request);
  if (names.dns.length + names.ip.length + names.nodeIds.length === 0)
    throw configError('cannot sign: no names found in certificate');
  const times = validity(settings);
  if (!settings.verify) await ask(request, names, terminal);
  const certificate = await signRequest(request, authority, key, times);
  await savePem(settings.outcert, certificate.toString('pem'));
}

async function ask(
  request: Pkcs10CertificateRequest,
  names: CertificateNames,
  { input, output }: Terminal,
): Promise<void> {
  output.write(
    [
      'Requested certificate:',
      `  Subject: ${request.subject}`,
      `  Encryption Algorithm: ${describeKey(request)}`,
      `  Signature Algorithm: ${describeSignature(request)}`,
      '  Names:',
      ...names.dns.map((name) => `    DNS Name: ${name}`),
      ...names.ip.map((address) => `    IP Address: ${address}`),
      ...names.nodeIds.map((id) => `    Receptor Node ID: ${id}`),
      'Sign certificate (yes/no)? ',
    ].join('\n'),
  );
  const answer = await firstLine(input);
  if (answer === undefined) throw configError('EOF');
  if (!/^\s*(?:y|yes)\s*$/i.test(answer)) throw configError('user declined');
}

/** The first line of an input; undefined when it ends before there is one. */
async function firstLine(input: Readable): Promise<string | undefined> {
  const lines = createInterface({ input });
  try {
    for await (const line of lines) return line;
    return undefined;
  } finally {
    lines.close();
  }
}

/** In the words of Go, as `RSA (2048 bits)`. */
function describeKey({ publicKey }: Pkcs10CertificateRequest): string {
  const { name, modulusLength } = publicKey.algorithm as { name: string; modulusLength?: number };
  if (modulusLength !== undefined) return `RSA (${modulusLength} bits)`;
  return name.replace(/^ECDH$/, 'ECDSA');
}

/** In the words of Go, as `SHA256-RSA`. */
function describeSignature({ signatureAlgorithm }: Pkcs10CertificateRequest): string {
  const { name, hash } = signatureAlgorithm as { name: string; hash?: { name: string } };
  const family = { 'RSASSA-PKCS1-v1_5': 'RSA', 'RSA-PSS': 'RSAPSS' }[name] ?? name;
  const digest = hash?.name.replace('-', '') ?? '';
  if (digest === '') return family;
  return family === 'ECDSA' ? `ECDSA-${digest}` : `${digest}-${family}`;
}

function checkName(commonName: string): true {
  if (commonName === '') throw configError('must provide CommonName');
  return true;
}

function validity({ notbefore, notafter }: { notbefore: string; notafter: string }): Validity {
  const [notBefore, notAfter] = [parseTime(notbefore), parseTime(notafter)];
  if (notBefore && notAfter && notAfter < notBefore)
    throw configError(`the certificate would end (${notafter}) before it begins (${notbefore})`);
  return { notBefore, notAfter };
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function parseTime(text: string): Date | undefined {
  if (text === '') return undefined;
  const time = new Date(text);
  const isReal = new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() === Number(text.slice(8, 10));
  if (RFC3339.test(text) && isReal && !Number.isNaN(time.getTime())) return time;
  throw configError(
    `parsing time "${text}" as "2006-01-02T15:04:05Z07:00": it is no date and time of RFC 3339`,
  );
}
