import { createServer } from 'node:net';
import { silentLogger } from '@receptor/workceptor';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenOnTcp } from '../../src/listeners/tcp.js';

let taken: ReturnType<typeof createServer>;
let port: number;
beforeEach(async () => {
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  port = (taken.address() as { port: number }).port;
});
afterEach(() => new Promise((resolve) => taken.close(resolve)));

it.each([
  ['127.0.0.1:abc', 'listen tcp: lookup tcp/abc: unknown port'],
  ['127.0.0.1:99999', 'listen tcp: address 99999: invalid port'],
  ['127.0.0.1', 'listen tcp: address 127.0.0.1: missing port in address'],
  ['foo:bar:1', 'listen tcp: address foo:bar:1: too many colons in address'],
])('refuses %s in Go’s words', async (address, text) => {
  await expect(listenOnTcp(address, () => {}, silentLogger)).rejects.toMatchObject({
    code: 'RECEPTOR_CONFIG_INVALID',
    message: text,
  });
});

it('says in Go’s words that the port is taken', async () => {
  await expect(listenOnTcp(`127.0.0.1:${port}`, () => {}, silentLogger)).rejects.toThrow(
    `listen tcp 127.0.0.1:${port}: bind: address already in use`,
  );
});

it('takes 0.0.0.0 for every address of both families, as Go does', async () => {
  const listener = await listenOnTcp('0.0.0.0:0', () => {}, silentLogger);
  expect(listener.address).toMatch(/^(\[::\]|0\.0\.0\.0):[0-9]+$/);
  await listener.close();
});
