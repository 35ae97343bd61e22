import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, reached, submit } from './client.js';
import { CONTROL, type RunningDaemon, runDaemon, WORK } from './running-daemon.js';

let node: RunningDaemon;
beforeAll(async () => {
  node = await runDaemon(CONTROL + WORK);
});
afterAll(() => node.end());

/** A reply without what differs from moment to moment. */
const still = (reply: string): string =>
  reply
    .replace(/"Time":[0-9]+,"TimeStr":"[^"]+"/g, '"Time":0,"TimeStr":"0"')
    .replace(/"Time":"[0-9T:.-]+(Z|[+-][0-9:]+)"/g, '"Time":"now"');

async function ask(command: string, address = node.socket): Promise<string> {
  const client = await Client.greeted(address);
  client.send(`${command}\n`);
  client.endInput();
  return still((await client.rest()).toString());
}

describe('a command says the same as text and as JSON, on the Unix socket and on TCP', () => {
  it.each<[string, object]>([
    ['status', { command: 'status' }],
    ['ping localhost', { command: 'ping', target: 'localhost' }],
    ['ping nowhere', { command: 'ping', target: 'nowhere' }],
    ['traceroute foo', { command: 'traceroute', target: 'foo' }],
    ['traceroute nowhere', { command: 'traceroute', target: 'nowhere' }],
    ['reload', { command: 'reload' }],
    ['connect nowhere control', { command: 'connect', node: 'nowhere', service: 'control' }],
    ['connect foo control', { command: 'connect', node: 'foo', service: 'control' }],
    ['connect foo control tls', { command: 'connect', node: 'foo', service: 'control', tls: 'tls' }],
    ['work list', { command: 'work', subcommand: 'list' }],
    ['work list nosuch', { command: 'work', subcommand: 'list', unitid: 'nosuch' }],
    ['work status nosuch', { command: 'work', subcommand: 'status', unitid: 'nosuch' }],
    ['work cancel nosuch', { command: 'work', subcommand: 'cancel', unitid: 'nosuch' }],
    ['work release nosuch', { command: 'work', subcommand: 'release', unitid: 'nosuch' }],
    ['work force-release nosuch', { command: 'work', subcommand: 'force-release', unitid: 'nosuch' }],
    ['work results nosuch', { command: 'work', subcommand: 'results', unitid: 'nosuch', startpos: 0 }],
    ['work submit foo nosuch', { command: 'work', subcommand: 'submit', node: 'foo', worktype: 'nosuch' }],
    [
      'work submit foo cat a',
      { command: 'work', subcommand: 'submit', node: 'foo', worktype: 'cat', params: 'a' },
    ],
  ])('%s', async (text, json) => {
    const said = await ask(text);
    expect(said).not.toBe('');
    expect(await ask(JSON.stringify(json))).toBe(said);
    expect(await ask(text.replace(/^\w+/, (word) => word.toUpperCase()))).toBe(said);
    expect(await ask(text, node.tcp)).toBe(said);
    expect(await ask(JSON.stringify(json), node.tcp)).toBe(said);
  });

  it.each<[string, (unitId: string) => object]>([
    ['work list ID', (unitid) => ({ command: 'work', subcommand: 'list', unitid })],
    ['work status ID', (unitid) => ({ command: 'work', subcommand: 'status', unitid })],
    ['work results ID', (unitid) => ({ command: 'work', subcommand: 'results', unitid, startpos: 0 })],
    ['work results ID 4', (unitid) => ({ command: 'work', subcommand: 'results', unitid, startpos: 4 })],
    ['work cancel ID', (unitid) => ({ command: 'work', subcommand: 'cancel', unitid })],
    ['work release ID', (unitid) => ({ command: 'work', subcommand: 'release', unitid })],
    ['work force-release ID', (unitid) => ({ command: 'work', subcommand: 'force-release', unitid })],
  ])('%s, of a unit that has ended', async (text, json) => {
    const said: string[] = [];
    for (const form of [(id: string) => text.replace('ID', id), (id: string) => JSON.stringify(json(id))]) {
      const id = await submit(node.socket, 'cat', 'payload');
      await reached(node.socket, id, 'Succeeded');
      said.push((await ask(form(id))).replaceAll(id, 'ID').replace(/"Pid":[0-9]+/, '"Pid":0'));
    }
    expect(said[0]).not.toMatch(/^ERROR/);
    expect(said[1]).toBe(said[0]);
  });
});

describe('status', () => {
  it('answers with the fields that are asked for, in whatever order, and skips those it does not know', async () => {
    const fields = (...requested_fields: unknown[]) =>
      ask(JSON.stringify({ command: 'status', requested_fields }));
    const all = JSON.parse(await ask('status')) as Record<string, unknown>;
    for (const [name, value] of Object.entries(all))
      expect(JSON.parse(await fields(name))).toEqual({ [name]: value });
    expect(await fields()).toBe('{}\n');
    expect(await fields('nosuch', 'NodeID', 'NodeID')).toBe('{"NodeID":"foo"}\n');
    expect(await fields('Version', 'NodeID')).toMatch(/^\{"NodeID":"foo","Version":"[^"]+"\}\n$/);
    expect(await fields(5)).toBe('ERROR: each element of requested_fields must be a string\n');
    expect(await fields('__proto__', 'constructor')).toBe('{}\n');
  });
});

describe('the socket of a node that is starting', () => {
  it('is there when everything is in force, and not before', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'receptor-'));
    // Units of an earlier life to take up, so that the start takes its time.
    const socket = join(directory, 'foo.sock');
    writeFileSync(socket, '');
    const starting = runDaemon(CONTROL + WORK, directory);
    let early = 0;
    for (;;) {
      const client = await Client.greeted(socket).catch(() => undefined);
      if (client === undefined) {
        early++;
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const [advertisement] = JSON.parse(await client.ask('status')).Advertisements;
      expect(advertisement.WorkCommands).toHaveLength(3);
      client.vanish();
      break;
    }
    expect(early).toBeGreaterThan(0);
    await (await starting).end();
    rmSync(directory, { recursive: true, force: true });
  });
});
