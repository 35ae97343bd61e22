import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, reached, submit } from './client.js';
import { type RunningDaemon, runDaemon } from './running-daemon.js';

interface Step {
  readonly dir: 'send' | 'recv' | 'send-eof' | 'recv-eof' | 'timeout' | 'close';
  readonly text?: string;
}

interface Vector {
  readonly steps?: readonly Step[];
  readonly cases?: readonly { readonly case: string; readonly steps: readonly Step[] }[];
}

const vector = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../vectors/control/${name}.json`, import.meta.url), 'utf8'));

/** Replies in which we differ from the Go daemon, by what was sent, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  // A numeric string is accepted as a start position.
  '{"command":"work","subcommand":"results","unitid":"x","startpos":"0"}\n': 'ERROR: unknown work unit x\n',
  // The node of the recording had a neighbour, and a unit that a refused submit had left behind.
  'ping bar\n': '{"Error":"no route to node","Success":false}\n',
  'PING bar\n': '{"Error":"no route to node","Success":false}\n',
  '{"command":"ping","target":"bar"}\n': '{"Error":"no route to node","Success":false}\n',
  'traceroute bar\n':
    '{"0":{"From":"foo","Time":0,"TimeStr":"0"},"1":{"Error":"no route to node","From":"foo","Time":0,"TimeStr":"0"}}\n',
  '{"command":"traceroute","target":"bar"}\n':
    '{"0":{"From":"foo","Time":0,"TimeStr":"0"},"1":{"Error":"no route to node","From":"foo","Time":0,"TimeStr":"0"}}\n',
  '{"command":"work","subcommand":"list","unitid":5}\n': '{}\n',
  'WORK LIST\n': '{}\n',
};

let node: RunningDaemon;
/** IDs of the recording -> IDs of units here. */
const ids = new Map<string, string>();

const translated = (text: string) => text.replace(/\b[0-9A-Za-z]{8}\b/g, (id) => ids.get(id) ?? id);

/** What remains of a reply when all that varies from run to run is taken out. */
function normal(reply: string): unknown {
  const text = reply
    .replace(/"Time":[0-9]+,"TimeStr":"[^"]+"/g, '"Time":0,"TimeStr":"0"')
    .replace(/"Version":"[0-9.]+"/, '"Version":"any"')
    .replace(/"Time":"[0-9T:.-]+(Z|[+-][0-9:]+)"/g, '"Time":"now"');
  if (text.startsWith('{"Advertisements":')) return normalStatus(JSON.parse(text));
  // Which units there are depends on what was done before: only their members and the order of these count.
  if (/^\{"[0-9A-Za-z]{8}":\{/.test(text))
    return new Set(Object.values<object>(JSON.parse(text)).map((unit) => Object.keys(unit).join()));
  return text;
}

/** The members and their order, and what concerns node foo. */
function normalStatus(status: Record<string, unknown>): unknown {
  const advertisements = status.Advertisements as { NodeID: string }[];
  return { members: Object.keys(status), own: advertisements.find(({ NodeID }) => NodeID === 'foo') };
}

async function replay(steps: readonly Step[], address: string): Promise<void> {
  const client = await Client.connect(address);
  let sent = '';
  let streaming = false;
  let output = '';
  for (const { dir, text = '' } of steps) {
    if (dir === 'send') {
      sent = text;
      client.send(translated(text));
    } else if (dir === 'send-eof') {
      client.endInput();
    } else if (dir === 'recv') {
      const recorded = DIFFERENT[sent] ?? text;
      if (streaming) {
        output += text;
        continue;
      }
      const reply = await client.line();
      const [, old] = /with ID (\w{8})\./.exec(text) ?? [];
      const [, own] = /with ID (\w{8})\./.exec(reply) ?? [];
      if (old && own) ids.set(old, own);
      expect(normal(reply)).toEqual(normal(translated(recorded)));
      streaming = text.startsWith('Streaming results');
    } else if (dir === 'recv-eof') {
      expect((await client.rest()).toString()).toBe(output);
    }
  }
  client.vanish();
}

beforeAll(async () => {
  const { files } = vector('config_two_node') as unknown as { files: Record<string, string> };
  const recorded = files['foo.yml'] ?? '';
  const sections = recorded
    .slice(recorded.indexOf('- tcp-listener'))
    .replace('38222', '0')
    .replace('127.0.0.1:38223', '127.0.0.1:0')
    .replace('foo.sock', 'DIR/foo.sock');
  node = await runDaemon(sections);
});
afterAll(() => node.end());

describe('the dialogues of the Go daemon', () => {
  it.each([
    'greeting',
    'framing',
    'bad_json',
    'bad_input',
    'no_newline_eof',
    'ping',
    'traceroute',
    'connect_errors',
    'connect_localhost',
    'reload_ok',
    'status_text',
    'status_json_fields',
    'status_errors',
    'work_parse_errors',
    'submit_local_cat',
    'submit_nocmd',
    'submit_text_params',
    'submit_pipelined',
  ])('%s, on the Unix socket', async (name) => {
    await replay(vector(name).steps ?? [], node.socket);
  });

  it.each(['tcp_listener', 'framing', 'submit_local_cat', 'status_text'])('%s, on TCP', async (name) => {
    await replay(vector(name).steps ?? [], node.tcp);
  });

  it('results of a unit that runs, then of the same unit from every start position', async () => {
    ids.set('iLQPS4MS', await submit(node.socket, 'echoint'));
    await replay(vector('results_stream').steps ?? [], node.socket);
    await replay(vector('results_json').steps ?? [], node.socket);
    const cases = vector('results_startpos').cases ?? [];
    expect(cases.length).toBe(5);
    for (const { steps } of cases) await replay(steps, node.tcp);
  });

  it('results of a unit that has no output', async () => {
    const id = await submit(node.socket, 'nocmd');
    ids.set('Y76nsksg', id);
    await reached(node.socket, id, 'Failed');
    await replay(vector('results_no_stdout').steps ?? [], node.socket);
  });

  it('results of a unit that another client releases meanwhile', async () => {
    ids.set('BdZkilT6', await submit(node.socket, 'sleeper'));
    const replayed = replay(vector('results_stream_release').steps ?? [], node.socket);
    const client = await Client.greeted(node.socket);
    expect(await client.ask(translated('work release BdZkilT6'))).toBe(
      translated('{"released":"BdZkilT6"}\n'),
    );
    client.vanish();
    await replayed;
  });

  it('cancel, cancel again, release, and results that end although the unit was cancelled', async () => {
    ids.set('OKARfnG6', await submit(node.socket, 'sleeper'));
    await replay(vector('cancel_local').steps ?? [], node.socket);
    ids.set('jloXXWtv', translated('OKARfnG6'));
    const ends = [...(vector('results_of_cancelled').steps ?? []), { dir: 'recv-eof' } as const];
    await replay(ends, node.socket);
    await replay(vector('cancel_again_release').steps ?? [], node.socket);
  });
});
