import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import * as quic from '../src/index.js';
import { certificate } from './support/certificates.js';

it('runs the example of the README', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  // The example as a function: its import becomes its parameters, its types are dropped.
  const body = example.replace(/^import .*$/m, '').replaceAll(': QuicEndpoint =', ' =');
  const { chain, key } = await certificate({ name: 'server' });
  const leaf = new X509Certificate(chain[0] ?? '');
  const lines: string[] = [];
  const inputs = {
    ...quic,
    console: { log: (line: string) => lines.push(line) },
    certificate: leaf.toString(),
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }),
    expected: leaf.fingerprint256,
  };
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  await new AsyncFunction(...Object.keys(inputs), body)(...Object.values(inputs));
  expect(lines).toEqual(['hello']);
});
