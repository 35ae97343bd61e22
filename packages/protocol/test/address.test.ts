import { homedir } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, parseAddress } from '../src/index.js';

describe('the address of a control service', () => {
  it.each<[string, Address]>([
    ['/tmp/foo.sock', { kind: 'unix', path: '/tmp/foo.sock' }],
    ['foo.sock', { kind: 'unix', path: 'foo.sock' }],
    ['unix:foo.sock', { kind: 'unix', path: 'foo.sock' }],
    ['unix:/tmp/a b', { kind: 'unix', path: '/tmp/a b' }],
    ['unix:///tmp/foo.sock', { kind: 'unix', path: '/tmp/foo.sock' }],
    ['unix://foo.sock', { kind: 'unix', path: 'foo.sock' }],
    ['~/foo.sock', { kind: 'unix', path: `${homedir()}/foo.sock` }],
    ['unix:~', { kind: 'unix', path: homedir() }],
    ['a~/b', { kind: 'unix', path: 'a~/b' }],
    ['tcp://localhost:2222', { kind: 'tcp', host: 'localhost', port: 2222 }],
    ['tcp:127.0.0.1:2222', { kind: 'tcp', host: '127.0.0.1', port: 2222 }],
    ['tcp:::1:2222', { kind: 'tcp', host: '::1', port: 2222 }],
    ['tcp://[::1]:2222', { kind: 'tcp', host: '::1', port: 2222 }],
    ['tls://a-b.example:443', { kind: 'tls', host: 'a-b.example', port: 443 }],
    ['tcp', { kind: 'unix', path: 'tcp' }],
  ])('%s', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  it.each([
    '',
    'foo:bar',
    'http://x',
    'unix:',

    'unix:a:b',
    'tcp:x',
    'tcp://:1',
    'tcp://h:x',
    'tls://h:65536',
    'tcp://h:1/x',
    'TCP://h:1',
    'a\0b',
  ])('refuses %j', (text) => {
    expect(() => parseAddress(text)).toThrow(
      expect.objectContaining({
        code: 'RECEPTOR_ADDRESS_INVALID',
        message: `Invalid socket address ${text}`,
      }),
    );
  });

  it('gives an address or its own error for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((rest) => `tcp:${rest}`),
        ),
        (text) => {
          try {
            expect(['unix', 'tcp', 'tls']).toContain(parseAddress(text).kind);
          } catch (error) {
            expect(error).toMatchObject({ code: 'RECEPTOR_ADDRESS_INVALID' });
          }
        },
      ),
    );
  });

  it('reads back whatever host and port are written', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]`),
    );
    const kind = fc.constantFrom('tcp' as const, 'tls' as const);
    fc.assert(
      fc.property(
        kind,
        fc.constantFrom('', '//'),
        host,
        fc.integer({ min: 0, max: 65_535 }),
        (k, slashes, h, port) => {
          const expected = { kind: k, host: h.replace(/^\[|\]$/g, ''), port };
          expect(parseAddress(`${k}:${slashes}${h}:${port}`)).toEqual(expected);
        },
      ),
    );
  });
});
