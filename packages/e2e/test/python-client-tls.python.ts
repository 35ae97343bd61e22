import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DaemonProcess, pythonReceptorctl, run, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const openssl = promisify(execFile);

describe.skipIf(!pythonReceptorctl)('the Python receptorctl against our control service on TLS', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let daemon: DaemonProcess;
  let address: string;
  const file = (name: string) => join(directory.path, name);

  /** A certificate for localhost, by itself or signed by `ca`. */
  async function certificate(name: string, ca?: string): Promise<void> {
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      file(`${name}.key`),
    ];
    const signed = ca
      ? ['-CA', file(`${ca}.crt`), '-CAkey', file(`${ca}.key`), '-addext', 'basicConstraints=CA:FALSE']
      : [];
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'];
    await openssl('openssl', [
      'req',
      '-x509',
      '-days',
      '2',
      ...key,
      ...names,
      ...signed,
      '-out',
      file(`${name}.crt`),
    ]);
  }

  beforeAll(async () => {
    directory = await temporaryDirectory();
    await certificate('ca');
    await certificate('node', 'ca');
    await certificate('client', 'ca');
    daemon = await startDaemon({
      directory: directory.path,
      sections: [
        {
          'tls-server': {
            name: 't',
            cert: file('node.crt'),
            key: file('node.key'),
            requireclientcert: true,
            clientcas: file('ca.crt'),
            skipreceptornamescheck: true,
          },
        },
        { 'control-service': { service: 'tls', tcplisten: '127.0.0.1:38643', tcptls: 't' } },
        { 'work-command': { worktype: 'cat', command: 'cat' } },
      ],
    });
    address = 'tls://localhost:38643';
  });

  afterAll(async () => {
    await daemon.stop();
    await directory.remove();
  });

  const ctl = async (options: string[], ...args: string[]) => {
    if (!pythonReceptorctl) throw new Error('not reached: the tests are skipped');
    const { code, stdout, stderr } = await run(pythonReceptorctl, ['--socket', address, ...options, ...args]);
    return { code, stdout: stdout.toString(), stderr: stderr.toString() };
  };
  const trusted = () => [
    '--rootcas',
    file('ca.crt'),
    '--cert',
    file('client.crt'),
    '--key',
    file('client.key'),
  ];

  test('status', async () => {
    expect(await ctl(trusted(), 'status')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Node ID: foo'),
    });
  });

  test('work submit with a payload, followed to its end', async () => {
    const { code, stdout } = await ctl(trusted(), 'work', 'submit', 'cat', '-l', 'hello', '-f', '--rm');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^hello\n\(\w{8}, released\)\n$/);
  });

  test('is refused without a certificate', async () => {
    const { code } = await ctl(['--rootcas', file('ca.crt')], 'status');
    expect(code).toBe(1);
    expect(daemon.log()).toContain('TLS handshake error');
  });
});
