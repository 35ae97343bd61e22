import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { parseArguments } from '../../src/config/arguments.js';
import { type Daemon, startDaemon } from '../../src/daemon.js';
import { createLogger } from '../../src/logging.js';

let directory: string;
let log: string[];
const ends: (() => unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  log = [];
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(directory, { recursive: true });
});

const fileOf = (id: string) => join(directory, `${id}.yml`);

/** A configuration in the form of a map. */
const mapForm = (id: string, sections: string) =>
  `version: 2\nnode: {id: ${id}, datadir: ${directory}}\n` +
  `control-services: [{filename: ${directory}/${id}.sock}]\n${sections}\n`;

async function start(id: string, sections: string): Promise<ReceptorClient> {
  writeFileSync(fileOf(id), mapForm(id, sections));
  const request = await parseArguments(['--config', fileOf(id)]);
  if (request.ask !== 'run') throw new Error(request.ask);
  const sink = { write: (line: string) => log.push(line) };
  const daemon: Daemon = await startDaemon(request, createLogger({ level: 'info', format: 'text', sink }));
  ends.push(() => daemon.close());
  const client = new ReceptorClient(join(directory, `${id}.sock`));
  ends.push(() => client.close());
  return client;
}

const logged = (text: string) =>
  vi.waitFor(() => expect(log.filter((line) => line.includes(text))).toHaveLength(1), { timeout: 20_000 });
const hasPeer = (client: ReceptorClient, ...ids: string[]) =>
  vi.waitFor(
    async () => expect(((await client.status()).Connections ?? []).map(({ NodeID }) => NodeID)).toEqual(ids),
    { timeout: 20_000 },
  );

describe('a file in the form of a map', () => {
  it('is put in force when it changes, also by another that takes its place', async () => {
    const port = await freePort();
    await start('alpha', 'local-only: {local: true}');
    const beta = await start('beta', `tcp-peers: [{address: "localhost:${port}"}]`);
    writeFileSync(fileOf('alpha'), mapForm('alpha', `tcp-listeners: [{port: ${port}}]`));
    await hasPeer(beta, 'alpha');
    await logged(`Config file changed: ${fileOf('alpha')}`);
    await logged('Reloading backends');
    writeFileSync(`${fileOf('alpha')}.new`, mapForm('alpha', 'local-only: {local: true}'));
    renameSync(`${fileOf('alpha')}.new`, fileOf('alpha'));
    await hasPeer(beta);
  });

  it('changes nothing while it cannot be used, and says why', async () => {
    const port = await freePort();
    const alpha = await start('alpha', `tcp-listeners: [{port: ${port}}]`);
    await start('beta', `tcp-peers: [{address: "localhost:${port}"}]`);
    await hasPeer(alpha, 'beta');
    writeFileSync(fileOf('alpha'), 'node: [');
    await logged('Reload not successful: error loading config file: ');
    const work = 'work-commands: [{worktype: a, command: cat}]';
    writeFileSync(fileOf('alpha'), mapForm('alpha', `tcp-listeners: [{port: ${port}}]\n${work}`));
    await logged(
      "Reload not successful: a non-reloadable config action 'work-command' was modified or added.",
    );
    writeFileSync(fileOf('alpha'), `# as before\n${mapForm('alpha', `tcp-listeners: [{port: ${port}}]`)}`);
    await logged('No reloadable backends were found.');
    await hasPeer(alpha, 'beta');
  });

  it('is looked at though something else in its directory changes all the time', async () => {
    await start('alpha', 'local-only: {local: true}');
    const noise = setInterval(() => writeFileSync(join(directory, 'noise'), ''), 50);
    ends.push(() => clearInterval(noise));
    writeFileSync(fileOf('alpha'), mapForm('alpha', 'local-only: {local: true}\nlog-level: {level: debug}'));
    await logged('Reloading backends');
  });
});
