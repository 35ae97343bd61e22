import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Signer, Verifier } from '../../src/index.js';

const directory = mkdtempSync(join(tmpdir(), 'receptor-signing-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const pem = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'spki'): string =>
  key.export({ format: 'pem', type: type as 'pkcs1' }).toString();

const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const privateKey = file('private.pem', pem(own.privateKey, 'pkcs8'));
const publicKey = file('public.pem', pem(own.publicKey, 'spki'));

const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1000;
const verifier = new Verifier({ nodeId: 'foo', publicKey, now: () => NOW });
const why = (token: string | undefined, by = verifier): Promise<string> =>
  by.verify(token).then(
    () => 'accepted',
    (error: Error & { code: string }) => {
      expect(error.code).toBe('RECEPTOR_SIGNATURE');
      return error.message;
    },
  );

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token put together by hand, so that it can be wrong in any way. */
function token(
  claims: unknown,
  {
    alg = 'RS512',
    key = own.privateKey,
    hash = 'sha512',
  }: { alg?: unknown; key?: KeyObject; hash?: string } = {},
): string {
  const signed = `${encoded({ alg, typ: 'JWT' })}.${encoded(claims)}`;
  return `${signed}.${signBytes(hash, Buffer.from(signed), key).toString('base64url')}`;
}

const good = { aud: ['foo'], exp: SECONDS + 60 };

describe('a token', () => {
  it('that a Go daemon has made is accepted, and by its node only', async () => {
    const path = fileURLToPath(new URL('../vectors/signing.json', import.meta.url));
    const vector = JSON.parse(readFileSync(path, 'utf8')) as { public_key_pem: string; token: string };
    const key = file('go.pem', vector.public_key_pem);
    expect(await why(vector.token, new Verifier({ nodeId: 'foo', publicKey: key }))).toBe('accepted');
    expect(await why(vector.token, new Verifier({ nodeId: 'bar', publicKey: key }))).toBe(
      'token audience did not match node ID',
    );
  });

  it('of our own is what a Go daemon makes: header and claims, in their order', async () => {
    for (const key of [privateKey, file('pkcs1.pem', pem(own.privateKey, 'pkcs1'))]) {
      const made = await new Signer({ privateKey: key, expirationMs: 3_600_000 }).sign('foo');
      const [header = '', claims = ''] = made
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString());
      expect(header).toBe('{"alg":"RS512","typ":"JWT"}');
      const [, exp = ''] = /^\{"aud":\["foo"\],"exp":(\d+)\}$/.exec(claims) ?? [];
      expect(Math.abs(Number(exp) - Date.now() / 1000 - 3600)).toBeLessThan(30);
      expect(await why(made, new Verifier({ nodeId: 'foo', publicKey }))).toBe('accepted');
    }
  });

  it('is valid for five minutes when nothing is said', () => {
    expect(new Signer({ privateKey }).expirationMs).toBe(300_000);
  });

  it.each<[string, string | undefined, string]>([
    ['that is good', token(good), 'accepted'],
    ['for several nodes', token({ ...good, aud: ['bar', 'foo'] }), 'accepted'],
    ['for one node, as text', token({ ...good, aud: 'foo' }), 'accepted'],
    ['that began a moment ago', token({ ...good, nbf: SECONDS - 1, iat: SECONDS - 1 }), 'accepted'],
    ['that is none', undefined, 'could not verify signature: signature is empty'],
    ['that is empty', '', 'could not verify signature: signature is empty'],
    [
      'that is garbage',
      'garbage',
      'could not verify signature: token contains an invalid number of segments',
    ],
    ['that is garbage in three parts', 'a.b.c', 'could not verify signature: token is malformed'],
    ['for another node', token({ ...good, aud: ['bar'] }), 'token audience did not match node ID'],
    ['for nobody', token({ exp: good.exp }), 'token audience did not match node ID'],
    [
      'for a node of a longer name',
      token({ ...good, aud: 'foobar' }),
      'token audience did not match node ID',
    ],
    [
      'that is expired',
      token({ ...good, exp: SECONDS - 6.09 }),
      'could not verify signature: token is expired by 6.09s',
    ],
    [
      'that expires now',
      token({ ...good, exp: SECONDS }),
      'could not verify signature: token is expired by 0s',
    ],
    ['that never expires', token({ aud: ['foo'] }), 'could not verify signature: token has no expiry'],
    [
      'whose expiry is a text',
      token({ ...good, exp: '9999999999' }),
      'could not verify signature: token has no expiry',
    ],
    [
      'that is not valid yet',
      token({ ...good, nbf: SECONDS + 5 }),
      'could not verify signature: token is not valid yet',
    ],
    [
      'from the future',
      token({ ...good, iat: SECONDS + 5 }),
      'could not verify signature: token used before issued',
    ],
    [
      'of another key',
      token(good, { key: other.privateKey }),
      'could not verify signature: crypto/rsa: verification error',
    ],
    [
      'of RS256',
      token(good, { alg: 'RS256', hash: 'sha256' }),
      'could not verify signature: signing method RS256 is invalid',
    ],
    [
      'of PS512',
      token(good, { alg: 'PS512' }),
      'could not verify signature: signing method PS512 is invalid',
    ],
    [
      'of RS256, called RS512',
      token(good, { hash: 'sha256' }),
      'could not verify signature: crypto/rsa: verification error',
    ],
    [
      'without an algorithm',
      token(good, { alg: 5 }),
      'could not verify signature: signing method (alg) is unspecified.',
    ],
    ['whose claims are none', token([]), 'could not verify signature: token has no expiry'],
    ['whose claims are no object', token('x'), 'could not verify signature: token is malformed'],
  ])('%s', async (_, made, expected) => {
    expect(await why(made)).toBe(expected);
  });

  it('that was altered is refused', async () => {
    const [header, , signature] = token(good).split('.');
    const altered = [header, encoded({ ...good, exp: good.exp + 1 }), signature].join('.');
    expect(await why(altered)).toBe('could not verify signature: crypto/rsa: verification error');
  });

  it('without a signature is refused, and one that is signed with the public key', async () => {
    const unsigned = `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(good)}.`;
    expect(await why(unsigned)).toBe("could not verify signature: 'none' signature type is not allowed");
    const signed = `${encoded({ alg: 'HS512', typ: 'JWT' })}.${encoded(good)}`;
    const mac = createHmac('sha512', pem(own.publicKey, 'spki')).update(signed).digest('base64url');
    expect(await why(`${signed}.${mac}`)).toBe('could not verify signature: key is of invalid type');
  });

  it('that was good is refused when it comes again after its time', async () => {
    let now = NOW;
    const strict = new Verifier({ nodeId: 'foo', publicKey, now: () => now });
    const made = token(good);
    expect(await why(made, strict)).toBe('accepted');
    now += 90_000;
    expect(await why(made, strict)).toBe('could not verify signature: token is expired by 30s');
  });
});

describe('a key', () => {
  const verifying = (content: string) =>
    new Verifier({ nodeId: 'foo', publicKey: file('x.pem', content), now: () => NOW });
  const signing = (content: string) =>
    new Signer({ privateKey: file('y.pem', content) }).sign('foo').catch((error: Error) => error.message);
  const pair = pem(own.publicKey, 'spki');

  it('that is not there verifies nothing', async () => {
    expect(await why(token(good), new Verifier({ nodeId: 'foo' }))).toBe(
      'could not verify signature: verifying key not specified',
    );
    expect(await why(token(good), new Verifier({ nodeId: 'foo', publicKey: '/nonexistent' }))).toBe(
      'could not load verifying key file: open /nonexistent: no such file or directory',
    );
  });

  it.each([
    ['of another kind', pem(own.publicKey, 'pkcs1'), 'unknown block type RSA PUBLIC KEY'],
    ['that is private', pem(own.privateKey, 'pkcs8'), 'public key file does not contain public key data'],
    ['that is not RSA', pem(elliptic.publicKey, 'spki'), 'public key file does not contain public key data'],
    ['of two', pair + pair, 'public key file should contain exactly one item'],
    ['of nothing', 'hello', 'public key file should contain exactly one item'],
  ])('%s verifies nothing', async (_, content, expected) => {
    expect(await why(token(good), verifying(content))).toBe(`could not load verifying key file: ${expected}`);
  });

  it('that cannot sign is told without a word of it', async () => {
    expect(await signing(pair)).toBe(
      'could not load signing key file: private key file does not contain private key data',
    );
    const broken = pem(own.privateKey, 'pkcs8').replace(/\n.{20}/, '\nAAAA');
    const said = await signing(broken);
    expect(said).toMatch(
      /^could not load signing key file: private key file does not contain private key data/,
    );
    expect(said).not.toContain(broken.slice(60, 90));
  });
});
