import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { parseArguments } from '../../src/config/arguments.js';
import { type Daemon, startDaemon } from '../../src/daemon.js';
import { createLogger } from '../../src/logging.js';
import { Authority, CertificateFiles } from '../tls/certificate-files.js';

let directory: string;
let log: string[];
const daemons: Daemon[] = [];
const clients: ReceptorClient[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  log = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const daemon of daemons.splice(0).reverse()) await daemon.close();
  rmSync(directory, { recursive: true });
});

/** Writes the configuration of a node; a daemon that runs has it again after a reload. */
function write(id: string, sections: string): string {
  const file = join(directory, `${id}.yml`);
  writeFileSync(
    file,
    `- node: {id: ${id}, datadir: ${directory}}\n- control-service: {filename: ${directory}/${id}.sock}\n${sections}\n`,
  );
  return file;
}

async function start(id: string, args: readonly string[]): Promise<ReceptorClient> {
  const request = await parseArguments(args);
  if (request.ask !== 'run') throw new Error(request.ask);
  const sink = { write: (line: string) => log.push(line) };
  daemons.push(await startDaemon(request, createLogger({ level: 'debug', format: 'text', sink })));
  const client = new ReceptorClient(join(directory, `${id}.sock`));
  clients.push(client);
  return client;
}

const peers = async (client: ReceptorClient) =>
  ((await client.status()).Connections ?? []).map(({ NodeID, Cost }) => `${NodeID} ${Cost}`).sort();
const hasPeers = (client: ReceptorClient, ...expected: string[]) =>
  vi.waitFor(async () => expect(await peers(client)).toEqual(expected), { timeout: 20_000, interval: 20 });

describe('reload', () => {
  it('begins links that are new, ends those that are gone, and leaves the others alone', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const file = write('alpha', `- tcp-listener: {port: ${one}}`);
    const alpha = await start('alpha', ['-c', file]);
    const beta = await start('beta', ['-c', write('beta', `- tcp-peer: localhost:${one}`)]);
    const gamma = await start('gamma', ['-c', write('gamma', `- tcp-peer: localhost:${two}`)]);
    await hasPeers(alpha, 'beta 1');

    write('alpha', `- tcp-listener: {port: ${one}}\n- tcp-listener: {port: ${two}}`);
    expect(await alpha.reload()).toEqual({ Success: true });
    await hasPeers(alpha, 'beta 1', 'gamma 1');

    write('alpha', `# a word, and the other way of writing it\n- tcp-listener: "${two}"`);
    expect(await alpha.reload()).toEqual({ Success: true });
    await hasPeers(alpha, 'gamma 1');
    await hasPeers(beta);

    write('gamma', `- tcp-peer: {address: "localhost:${two}", cost: 2}`);
    write('alpha', `- tcp-listener: {port: ${two}, cost: 2}`);
    expect(await Promise.all([alpha.reload(), gamma.reload()])).toEqual([
      { Success: true },
      { Success: true },
    ]);
    await hasPeers(alpha, 'gamma 2');
    // Nobody but beta lost its link to alpha while that was left alone.
    const established = log.filter((line) => line.includes('Connection established with beta'));
    expect(established).toHaveLength(1);
  });

  it('refuses what cannot be changed while the daemon runs, and says it again', async () => {
    const port = await freePort();
    const listener = `- tcp-listener: {port: ${port}}\n`;
    const work = '- work-command: {worktype: a, command: cat}\n';
    const alpha = await start('alpha', ['-c', write('alpha', listener + work)]);
    const added = (section: string) => ({
      Success: false,
      Error: `a non-reloadable config action '${section}' was modified or added. Must restart receptor for these changes to take effect ERRORCODE 3`,
    });
    write('alpha', listener + work.replace('cat', 'tac'));
    expect(await alpha.reload()).toEqual(added('work-command'));
    write('alpha', `${listener + work}- trace\n`);
    expect(await alpha.reload()).toEqual(added('trace'));
    write('alpha', listener);
    for (let again = 0; again < 2; again++)
      expect(await alpha.reload()).toEqual({
        Success: false,
        Error:
          "a non-reloadable config action 'work-command' was removed. Must restart receptor for changes to take effect ERRORCODE 3",
      });
    write('alpha', listener + work);
    expect(await alpha.reload()).toEqual({ Success: true });
    expect(log.join('')).toMatch(
      /^WARNING \S+ \S+ Reload not successful: a non-reloadable config action 'trace'/m,
    );
  });

  it('changes the level of the log, with links or without, and back where the section is gone', async () => {
    for (const [id, section] of [
      ['alpha', `- tcp-listener: {port: ${await freePort()}}\n`],
      ['beta', '- local-only\n'],
    ] as const) {
      const client = await start(id, ['-c', write(id, `${section}- log-level: error\n`)]);
      /** What is logged while a reload puts these sections in force, and of a command after that. */
      const logged = async (sections: string) => {
        write(id, sections);
        expect(await client.reload()).toEqual({ Success: true });
        log.length = 0;
        await expect(client.workStatus('nosuch')).rejects.toThrow();
        expect(await client.reload()).toEqual({ Success: true });
        return [...new Set(log.map((line) => line.split(' ')[0]))];
      };
      expect(await logged(`${section}- log-level: error\n`)).toEqual(['ERROR']);
      expect(await logged(`${section}- log-level: debug\n`)).toEqual(['ERROR', 'DEBUG']);
      expect(await logged(`${section}- log-level: {level: Info}\n`)).toEqual(['ERROR']);
      // What the program would have without a section.
      expect(await logged(section)).toEqual(['ERROR', 'DEBUG']);
      write(id, `${section}- log-level: loud\n`);
      expect(await client.reload()).toMatchObject({ Error: expect.stringMatching(/ERRORCODE 4$/) });
    }
  });

  it('refuses a file that is wrong, and goes on as before', async () => {
    const port = await freePort();
    const file = write('alpha', `- tcp-listener: {port: ${port}}`);
    const alpha = await start('alpha', ['-c', file]);
    const refusal = async () => {
      const reply = await alpha.reload();
      return reply.Success ? '' : reply.Error;
    };
    write('alpha', '- nosuch: {a: b}');
    expect(await refusal()).toMatch(
      /^error loading config file: could not get config type for command nosuch: unknown config type nosuch .*ERRORCODE 4$/,
    );
    write('alpha', `- tcp-listener: {port: ${port}, cost: -1}`);
    expect(await refusal()).toMatch(/^connection cost must be positive .*ERRORCODE 4$/);
    rmSync(file);
    expect(await refusal()).toBe(
      `error loading config file: open ${file}: no such file or directory ERRORCODE 4`,
    );
    const taken = createServer();
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const busy = (taken.address() as { port: number }).port;
    write('alpha', `- tcp-listener: {port: ${port}}\n- tcp-listener: {port: ${busy}, bindaddr: 127.0.0.1}`);
    expect(await refusal()).toBe(`listen tcp 127.0.0.1:${busy}: bind: address already in use ERRORCODE 4`);
    await new Promise((resolve) => taken.close(resolve));
    expect(await refusal()).toBe('');
    const beta = await start('beta', ['-c', write('beta', `- tcp-peer: localhost:${busy}`)]);
    await hasPeers(beta, 'alpha 1');
  });

  it('needs a file', async () => {
    const args = [
      '--node',
      'id=alpha',
      `datadir=${directory}`,
      '--control-service',
      `filename=${directory}/alpha.sock`,
    ];
    const alpha = await start('alpha', args);
    expect(await alpha.reload()).toEqual({
      Success: false,
      Error: 'no configuration file was provided, reload function not set ERRORCODE 4',
    });
  });

  it('gives a node that was all by itself its first link, with its services and its work', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const work = '- work-command: {worktype: a, command: cat}\n';
    const alone = ['-c', write('alpha', `- local-only\n${work}`)];
    const alpha = await start('alpha', alone);
    // What is under way goes on.
    const itself = alpha.through('alpha');
    expect((await itself.status()).NodeID).toBe('alpha');
    expect((await alpha.status()).RoutingTable).toEqual({});
    const beta = await start('beta', ['-c', write('beta', `- tcp-peer: localhost:${one}`)]);

    const busy = createServer();
    await once(busy.listen(two, '127.0.0.1'), 'listening');
    write('alpha', `- tcp-listener: {port: ${two}, bindaddr: 127.0.0.1}\n${work}`);
    expect(await alpha.reload()).toEqual({
      Success: false,
      Error: `listen tcp 127.0.0.1:${two}: bind: address already in use ERRORCODE 4`,
    });
    await new Promise((resolve) => busy.close(resolve));

    write('alpha', `- tcp-listener: {port: ${one}}\n${work}`);
    expect(await alpha.reload()).toEqual({ Success: true });
    await hasPeers(beta, 'alpha 1');
    await vi.waitFor(
      async () =>
        expect((await beta.status()).Advertisements).toContainEqual(
          expect.objectContaining({ NodeID: 'alpha', WorkCommands: [{ WorkType: 'a', Secure: false }] }),
        ),
      { timeout: 20_000, interval: 50 },
    );
    const through = beta.through('alpha');
    const { unitid } = await through.submitWork({ workType: 'a', payload: 'x' });
    expect(await itself.workList()).toHaveProperty(unitid);
    await expect(alpha.submitWork({ workType: 'nosuch', node: 'beta', payload: '' })).rejects.toThrow(
      'unknown work type nosuch',
    );
    // All links can go again.
    write('alpha', work);
    expect(await alpha.reload()).toEqual({ Success: true });
    await hasPeers(alpha);
  });

  it('puts a TLS profile on a link, and has another one refused that is not there', async () => {
    const files = new CertificateFiles();
    try {
      const authority = await Authority.create();
      files.write('ca.crt', authority.pem);
      for (const id of ['alpha', 'beta']) await files.pair(id, authority, { nodeIds: [id] });
      const port = await freePort();
      const pair = (id: string) => `cert: ${files.file(`${id}.crt`)}, key: ${files.file(`${id}.key`)}`;
      const ca = files.file('ca.crt');
      const server = `- tls-server: {name: s, ${pair('alpha')}, requireclientcert: true, clientcas: ${ca}}\n`;
      const client = `- tls-client: {name: c, ${pair('beta')}, rootcas: ${ca}}\n`;
      const alpha = await start('alpha', ['-c', write('alpha', `${server}- tcp-listener: {port: ${port}}`)]);
      const beta = await start('beta', ['-c', write('beta', `${client}- tcp-peer: localhost:${port}`)]);
      await hasPeers(alpha, 'beta 1');

      write('alpha', `${server}- tcp-listener: {port: ${port}, tls: s}`);
      expect(await alpha.reload()).toEqual({ Success: true });
      await hasPeers(alpha);
      await hasPeers(beta);
      write('beta', `${client}- tcp-peer: {address: "localhost:${port}", tls: nosuch}`);
      expect(await beta.reload()).toMatchObject({
        Success: false,
        Error: expect.stringMatching(/^unknown TLS config nosuch.* ERRORCODE 4$/),
      });
      write('beta', `${client}- tcp-peer: {address: "localhost:${port}", tls: c}`);
      expect(await beta.reload()).toEqual({ Success: true });
      await hasPeers(alpha, 'beta 1');

      write(
        'beta',
        `${client.replace('name: c', 'name: d')}- tcp-peer: {address: "localhost:${port}", tls: d}`,
      );
      expect(await beta.reload()).toEqual({
        Success: false,
        Error:
          "a non-reloadable config action 'tls-client' was modified or added. Must restart receptor for these changes to take effect ERRORCODE 3",
      });
      expect(await peers(alpha)).toEqual(['beta 1']);
    } finally {
      rmSync(files.directory, { recursive: true });
    }
  });
});
