import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkOwnNodeId, TlsClientProfile, TlsServerProfile } from '@receptor/netceptor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const OURS = [process.execPath, fileURLToPath(new URL('../../bin/receptor.js', import.meta.url))];
const { RECEPTOR_GO } = process.env;
const GO = RECEPTOR_GO ? [RECEPTOR_GO] : [];
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs a program in the directory of the test. */
function run([command = '', ...prefix]: readonly string[], args: string, input = '') {
  const { status, stdout, stderr } = spawnSync(command, [...prefix, ...args.split(' ')], {
    cwd: directory,
    input,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
const quiet = { status: 0, stdout: '', stderr: '' };
const read = (file: string) => readFileSync(join(directory, file), 'utf8');
const certificate = (file: string) => new X509Certificate(read(file));

const INIT = '--cert-init commonname=authority bits=2048 outcert=ca.crt outkey=ca.key';
const REQUEST =
  '--cert-makereq commonname=foo bits=2048 dnsname=localhost ipaddress=127.0.0.1 ipaddress=fd00::1 nodeid=foo ' +
  'nodeid=foo2 outreq=foo.req outkey=foo.key';
const SIGN = '--cert-signreq req=foo.req cacert=ca.crt cakey=ca.key outcert=foo.crt';

/** What a certificate that was signed has to be, whoever has signed it. */
function expectUsable(): void {
  const [ca, signed] = [certificate('ca.crt'), certificate('foo.crt')];
  expect(ca.ca).toBe(true);
  expect(ca.subject).toBe('CN=authority');
  expect(signed.ca).toBe(false);
  expect([signed.subject, signed.issuer]).toEqual(['CN=foo', 'CN=authority']);
  expect(signed.checkIssued(ca) && signed.verify(ca.publicKey)).toBe(true);
  expect(signed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
  expect(signed.subjectAltName).toMatch(
    /^DNS:localhost, IP Address:127.0.0.1, IP Address:FD00:0:0:0:0:0:0:1/,
  );
  const server = new TlsServerProfile({
    cert: read('foo.crt'),
    key: read('foo.key'),
    clientCas: read('ca.crt'),
  });
  expect(server.nodeIds).toEqual(['foo', 'foo2']);
  checkOwnNodeId(server, 'foo2');
  const client = new TlsClientProfile({ rootCas: read('ca.crt') });
  const now = Date.now() + 1000;
  expect(client.refuseService([signed], 'foo', now)).toBeUndefined();
  expect(server.refuseCaller([signed], 'foo', now)).toBeUndefined();
  expect(client.refuseService([signed], 'bar', now)?.text).toContain(
    'valid for Receptor node IDs foo, foo2, not bar',
  );
  if (hasOpenssl) {
    const args = ['verify', '-purpose', 'sslserver', '-CAfile', 'ca.crt', 'foo.crt'];
    expect(execFileSync('openssl', args, { cwd: directory }).toString()).toBe('foo.crt: OK\n');
  }
}

describe('the certificate commands', () => {
  it('make an authority, a request and a certificate, in files that only the user may read', () => {
    for (const args of [INIT, REQUEST, `${SIGN} verify=yes`]) expect(run(OURS, args)).toEqual(quiet);
    expectUsable();
    for (const file of readdirSync(directory))
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    expect(read('ca.key')).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
    const years = (file: string) =>
      new Date(certificate(file).validTo).getFullYear() - new Date(certificate(file).validFrom).getFullYear();
    expect([years('ca.crt'), years('foo.crt')]).toEqual([10, 1]);
  });

  it('take times, also such as only a certificate of this century can say', () => {
    run(OURS, `${INIT} notbefore=2026-01-02T03:04:05+01:00 notafter=2060-01-01T00:00:00Z`);
    expect(certificate('ca.crt').validFrom).toBe('Jan  2 02:04:05 2026 GMT');
    expect(certificate('ca.crt').validTo).toBe('Jan  1 00:00:00 2060 GMT');
  });

  it('ask before they sign', () => {
    run(OURS, INIT);
    run(OURS, REQUEST);
    const question =
      'Requested certificate:\n  Subject: CN=foo\n  Encryption Algorithm: RSA (2048 bits)\n' +
      '  Signature Algorithm: SHA256-RSA\n  Names:\n    DNS Name: localhost\n    IP Address: 127.0.0.1\n' +
      '    IP Address: fd00::1\n    Receptor Node ID: foo\n    Receptor Node ID: foo2\nSign certificate (yes/no)? ';
    expect(run(OURS, SIGN, 'no\n')).toMatchObject({ status: 1, stdout: `${question}Error: user declined\n` });
    expect(run(OURS, SIGN)).toMatchObject({ status: 1, stdout: `${question}Error: EOF\n` });
    expect(readdirSync(directory)).not.toContain('foo.crt');
    expect(run(OURS, SIGN, 'YES\n')).toMatchObject({ status: 0, stdout: question });
    expectUsable();
  });

  it('take a key that there is, also one of OpenSSL in the form of PKCS#8', () => {
    run(OURS, INIT);
    run(OURS, REQUEST);
    const again = REQUEST.replace('bits=2048 ', '').replace('outkey=', 'inkey=');
    expect(run(OURS, again)).toEqual(quiet);
    if (hasOpenssl)
      execFileSync('openssl', ['pkcs8', '-topk8', '-nocrypt', '-in', 'foo.key', '-out', 'p8.key'], {
        cwd: directory,
      });
    if (hasOpenssl) expect(run(OURS, again.replace('foo.key', 'p8.key'))).toEqual(quiet);
    expect(run(OURS, `${SIGN} verify=1`)).toEqual(quiet);
    expectUsable();
  });

  it('are done one after the other from a file in the form of a map, in the order that they need', () => {
    writeFileSync(
      join(directory, 'certs.yml'),
      [
        'version: 2',
        'cert-signreqs:\n  - {req: foo.req, cacert: ca.crt, cakey: ca.key, outcert: foo.crt, verify: true}',
        'cert-makereqs:\n  - {commonname: foo, bits: 2048, dnsname: [localhost], ipaddress: [127.0.0.1, "fd00::1"],' +
          ' nodeid: [foo, foo2], outreq: foo.req, outkey: foo.key}',
        'cert-init: {commonname: authority, bits: 2048, outcert: ca.crt, outkey: ca.key}',
      ].join('\n'),
    );
    expect(run(OURS, '--config-v2 --config certs.yml')).toEqual(quiet);
    expectUsable();
  });

  it('are one at a time everywhere else', () => {
    writeFileSync(
      join(directory, 'init.yml'),
      '- cert-init: {commonname: authority, bits: 2048, outcert: ca.crt, outkey: ca.key}\n',
    );
    expect(run(OURS, '-c init.yml')).toEqual(quiet);
    expect(run(OURS, `${INIT} ${REQUEST}`)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('Error: cannot specify any other options with cert-init\n'),
    });
  });

  it.each([
    [`${SIGN} verify=yes`, 'open ca.crt: no such file or directory'],
    [INIT.replace('2048', '2'), 'cannot generate an RSA key of 2 bits: '],
    [INIT.replace('outcert=ca.crt', 'outcert=no/ca.crt'), 'open no/ca.crt: no such file or directory'],
    [
      `${INIT} notafter=tomorrow`,
      'parsing time "tomorrow" as "2006-01-02T15:04:05Z07:00": it is no date and time',
    ],
    [`${INIT} notafter=2026-02-30T00:00:00Z`, 'parsing time "2026-02-30T00:00:00Z"'],
    [`${INIT} notbefore=2030-01-01T00:00:00Z notafter=2029-01-01T00:00:00Z`, 'the certificate would end'],
    [INIT.replace('=authority', '='), 'must provide CommonName'],
    [REQUEST.replace('127.0.0.1', '127.0.0'), 'invalid IP address: 127.0.0'],
    [REQUEST.replace('bits=2048 ', ''), 'must specify key bits when creating a new key'],
  ])('%s fails with %s', (args, message) => {
    const { status, stdout } = run(OURS, args);
    expect(stdout).toContain(`Error: ${message}`);
    expect(status).toBe(1);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('refuse what cannot be signed', () => {
    const error = (args: string) => run(OURS, args).stdout;
    run(OURS, INIT);
    run(OURS, '--cert-makereq commonname=foo bits=2048 outreq=foo.req outkey=foo.key');
    expect(error(`${SIGN} verify=1`)).toBe('Error: cannot sign: no names found in certificate\n');
    run(OURS, REQUEST);
    expect(error(`${SIGN.replace('cakey=ca.key', 'cakey=foo.key')} verify=1`)).toBe(
      'Error: the private key is not that of the CA certificate\n',
    );
    expect(error(`${SIGN.replace('req=foo.req', 'req=ca.crt')} verify=1`)).toBe(
      'Error: certificate request file does not contain certificate request data\n',
    );
    writeFileSync(join(directory, 'both'), read('ca.crt') + read('ca.key'));
    expect(error(`${SIGN.replace('cacert=ca.crt', 'cacert=both')} verify=1`)).toBe(
      'Error: certificate file should contain exactly one item\n',
    );
    writeFileSync(join(directory, 'junk'), 'junk');
    expect(error(`${SIGN.replace('cakey=ca.key', 'cakey=junk')} verify=1`)).toContain(
      'Error: failed to decode PEM block',
    );
    const der = Buffer.from(read('foo.req').replace(/-----.*-----|\n/g, ''), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    writeFileSync(
      join(directory, 'foo.req'),
      `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`,
    );
    expect(error(`${SIGN} verify=1`)).toBe('Error: the request is not signed with the key that it is for\n');
    expect(readdirSync(directory)).not.toContain('foo.crt');
  });
});

describe.skipIf(GO.length === 0)('with those of a Go daemon (RECEPTOR_GO)', () => {
  const who = { ours: OURS, go: GO };
  it.each([
    ['ours', 'ours', 'go'],
    ['ours', 'go', 'ours'],
    ['ours', 'go', 'go'],
    ['go', 'ours', 'ours'],
    ['go', 'ours', 'go'],
    ['go', 'go', 'ours'],
  ] as const)('authority of %s, request of %s, signed by %s', (init, request, sign) => {
    expect(run(who[init], INIT).status).toBe(0);
    expect(run(who[request], REQUEST).status).toBe(0);
    expect(run(who[sign], SIGN, 'yes\n').status).toBe(0);
    expectUsable();
  });
});
