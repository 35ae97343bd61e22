import { ReceptorClient } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client, reached } from './client.js';
import { CONTROL, type RunningDaemon, runDaemon, WORK } from './running-daemon.js';

const KEY = '0123456789abcdef0123456789abcdef';
const submitLine = (worktype = 'cat', idempotencykey: string = KEY) =>
  JSON.stringify({ command: 'work', subcommand: 'submit', node: 'foo', worktype, idempotencykey });

let node: RunningDaemon;
beforeEach(async () => {
  node = await runDaemon(CONTROL + WORK);
});
afterEach(() => node.end());

const unitOf = (line: string): string | undefined =>
  /ID (\w+)\.|"unitid":"(\w+)"/.exec(line)?.slice(1).find(Boolean);

async function units(): Promise<string[]> {
  const client = await Client.greeted(node.socket);
  const listed = Object.keys(JSON.parse(await client.ask('work list')));
  client.vanish();
  return listed;
}

async function submitted(payload: string): Promise<string> {
  const client = await Client.greeted(node.socket);
  const created = await client.ask(submitLine());
  client.send(payload);
  client.endInput();
  await client.rest();
  return unitOf(created) ?? '';
}

describe('a submit that has a name', () => {
  it('is answered with the unit that was started for it when it comes again, and has no payload taken', async () => {
    const first = await submitted('once');
    const client = await Client.greeted(node.socket);
    expect(await client.ask(submitLine())).toBe(`{"result":"Job Started","unitid":"${first}"}\n`);
    expect(await client.ask('work list')).toContain(first);
    expect(await units()).toEqual([first]);
    client.vanish();
  });

  it('is known after a restart too', async () => {
    const first = await submitted('once');
    await reached(node.socket, first, 'Succeeded');
    await node.daemon.close();
    const again = await runDaemon(CONTROL + WORK, node.directory);
    const client = await Client.greeted(again.socket);
    expect(await client.ask(submitLine())).toBe(`{"result":"Job Started","unitid":"${first}"}\n`);
    client.vanish();
    await again.daemon.close();
  });

  it('gets another unit in place of one whose payload did not come whole, also while that is awaited', async () => {
    const silent = await Client.greeted(node.socket);
    const first = unitOf(await silent.ask(submitLine()));
    silent.send('half of');
    const second = await submitted('the whole');
    expect(second).not.toBe(first);
    expect(await units()).toEqual([second]);
    await reached(node.socket, second, 'Succeeded');
    // The first connection ends after that, as if its payload were whole.
    silent.endInput();
    expect(await silent.line()).toBe(`ERROR: unknown work unit ${first}\n`);
    expect(await units()).toEqual([second]);
  });

  it('makes one unit however many of the name come at once', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => Client.greeted(node.socket)));
    await Promise.all(
      clients.map(async (client) => {
        const line = await client.ask(submitLine());
        client.send('x');
        client.endInput();
        return unitOf(line);
      }),
    );
    await Promise.all(clients.map((client) => client.rest()));
    await vi.waitFor(async () => expect(await units()).toHaveLength(1));
  });

  it('is forgotten with its unit', async () => {
    const first = await submitted('once');
    const client = await Client.greeted(node.socket);
    await client.ask(`work release ${first}`);
    client.vanish();
    expect(await submitted('twice')).not.toBe(first);
  });

  it('is refused when the name is that of other work, or none', async () => {
    await submitted('once');
    const client = await Client.greeted(node.socket);
    expect(await client.ask(submitLine('sleeper'))).toBe(
      'ERROR: idempotencykey was that of another submit\n',
    );
    for (const bad of ['short', '../../../../etc/passwd', `${KEY}/..`, 'x'.repeat(200)])
      expect(await client.ask(submitLine('cat', bad))).toMatch(/^ERROR: idempotencykey must be /);
    client.vanish();
  });

  it('can be sent by the library, whose second call tells of the first one', async () => {
    const client = new ReceptorClient(node.socket);
    const work = { workType: 'cat', payload: 'x', idempotencyKey: KEY };
    const first = await client.submitWork(work);
    expect(await client.submitWork(work)).toEqual(first);
    client.close();
  });
});
