import type { X509Certificate } from 'node:crypto';
import { readDer } from './der.js';

const SEQUENCE = 0x30;
const EXTENSIONS = 0xa3;
const OTHER_NAME = 0xa0;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex');
/** 1.3.6.1.4.1.2312.19.1 */
const RECEPTOR_NAME = Buffer.from('2b0601040192081301', 'hex');

/** The node IDs that a certificate is for (reference: mesh, 6.2). */
export function nodeIdsOf(certificate: X509Certificate): string[] {
  const names = subjectAltNames(certificate.raw);
  return names.flatMap(({ tag, content }) => {
    if (tag !== OTHER_NAME) return [];
    const [type, value] = readDer(content) ?? [];
    if (!type?.content.equals(RECEPTOR_NAME) || value?.tag !== OTHER_NAME) return [];
    const [name] = readDer(value.content) ?? [];
    return name?.tag === UTF8_STRING ? [name.content.toString()] : [];
  });
}

function subjectAltNames(certificate: Buffer) {
  const [whole] = readDer(certificate) ?? [];
  const [signed] = readDer(whole?.content ?? Buffer.alloc(0)) ?? [];
  const fields = readDer(signed?.content ?? Buffer.alloc(0)) ?? [];
  const wrapped = fields.find(({ tag }) => tag === EXTENSIONS);
  const [list] = readDer(wrapped?.content ?? Buffer.alloc(0)) ?? [];
  for (const extension of readDer(list?.content ?? Buffer.alloc(0)) ?? []) {
    const parts = readDer(extension.content) ?? [];
    if (!parts[0]?.content.equals(SUBJECT_ALT_NAME)) continue;
    const value = parts.find(({ tag }) => tag === OCTET_STRING);
    const [names] = readDer(value?.content ?? Buffer.alloc(0)) ?? [];
    return names?.tag === SEQUENCE ? (readDer(names.content) ?? []) : [];
  }
  return [];
}
