import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AnsweredCommand,
  type Command,
  decodeReply,
  encodeReply,
  encodeStatusReply,
  encodeTracerouteReply,
  encodeUnitReply,
  encodeWorkListReply,
  isErrorLine,
  parseCommandLine,
  ReceptorError,
  type ReplyTo,
  type WorkListReply,
} from '../src/index.js';

type Event = { text?: string; from?: string; dir?: string };

/** Every sequence of events in a captured file: what a client sent, and what came back. */
function* dialogues(value: unknown): Generator<{ client: boolean; text: string }[]> {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value) && value.some((item) => item?.dir || item?.from)) {
    const client = ({ dir, from }: Event) => dir === 'send' || from === 'client' || from === 'submitter';
    yield (value as Event[]).flatMap((event) =>
      event.text === undefined ? [] : [{ client: client(event), text: event.text }],
    );
    return;
  }
  for (const item of Object.values(value)) yield* dialogues(item);
}

function isAnswered(command: Command | undefined): command is AnsweredCommand {
  if (command === undefined || command.command === 'connect') return false;
  return command.command !== 'work' || !['results', 'submit'].includes(command.subcommand);
}

/** All captured commands that are answered by one line, with that line. */
const captured = readdirSync(new URL('vectors', import.meta.url)).flatMap((file) => {
  const content: unknown = JSON.parse(readFileSync(new URL(`vectors/${file}`, import.meta.url), 'utf8'));
  return [...dialogues(content)].flatMap((events) =>
    events.flatMap(({ client, text }, at) => {
      const next = events[at + 1];
      if (!client || next === undefined || next.client || text.trim().includes('\n')) return [];
      try {
        const command = parseCommandLine(text);
        return isAnswered(command) ? [{ file, text, command, reply: next.text }] : [];
      } catch {
        return [];
      }
    }),
  );
});

function encode(command: AnsweredCommand, reply: unknown): string {
  if (command.command === 'status') return encodeStatusReply(reply as ReplyTo<typeof command>);
  if (command.command === 'traceroute') return encodeTracerouteReply(reply as ReplyTo<typeof command>);
  if (command.command === 'work' && command.subcommand === 'status')
    return encodeUnitReply(reply as ReplyTo<typeof command>);
  if (command.command === 'work' && command.subcommand === 'list')
    return encodeWorkListReply(reply as WorkListReply);
  return encodeReply(reply as Record<string, unknown>);
}

describe('a captured reply', () => {
  it('is there for every command', () => {
    const kinds = captured.map(({ command }) =>
      command.command === 'work' ? command.subcommand : command.command,
    );
    expect(captured.length).toBeGreaterThan(60);
    expect(new Set(kinds)).toEqual(
      new Set(['status', 'ping', 'traceroute', 'reload', 'list', 'cancel', 'release', 'force-release']),
    );
  });

  it.each(captured)('$file: $text is read, and written again as it was', ({ command, reply }) => {
    const lines = reply.split('\n').filter(Boolean);
    expect(lines.length).toBeGreaterThan(0);
    const [line = ''] = lines;
    if (isErrorLine(line)) {
      expect(() => decodeReply(command, line)).toThrow(ReceptorError);
      expect(() => decodeReply(command, line)).toThrow(line.slice('ERROR: '.length));
    } else {
      expect(encode(command, decodeReply(command, line))).toBe(`${line}\n`);
    }
  });
});

const text = fc.string({ unit: 'binary' });
const name = fc.string({ minLength: 1 });
const count = fc.maxSafeInteger();
const unit = fc.record({
  Detail: text,
  ExtraData: fc.constantFrom(null, { Pid: 5 }, ['x']),
  State: fc.integer({ min: 0, max: 4 }),
  StateName: text,
  StdoutSize: count,
  WorkType: text,
});
const work = <S extends string>(subcommand: S) => ({ command: 'work' as const, subcommand, unitId: 'x' });

/** Each command with replies as a daemon may give them. */
const answers: readonly (readonly [AnsweredCommand, fc.Arbitrary<unknown>])[] = [
  [
    { command: 'status' },
    fc.record(
      {
        NodeID: text,
        Version: text,
        SystemCPUCount: count,
        Connections: fc.option(fc.array(fc.record({ NodeID: text, Cost: fc.integer() }))),
        KnownConnectionCosts: fc.dictionary(name, fc.dictionary(name, fc.integer())),
        RoutingTable: fc.dictionary(name, text),
        Advertisements: fc.option(
          fc.array(
            fc.record({
              NodeID: text,
              Service: text,
              Time: text,
              ConnType: fc.integer({ min: 0, max: 2 }),
              Tags: fc.option(fc.dictionary(name, text)),
              WorkCommands: fc.option(fc.array(fc.record({ WorkType: text, Secure: fc.boolean() }))),
            }),
          ),
        ),
      },
      { requiredKeys: [] },
    ),
  ],
  [
    { command: 'ping', target: 'x' },
    fc.oneof(
      fc.record({ Success: fc.constant(true), From: text, Time: count, TimeStr: text }),
      fc.record({ Success: fc.constant(false), Error: text }),
    ),
  ],
  [
    { command: 'traceroute', target: 'x' },
    fc.dictionary(
      fc.nat().map(String),
      fc.record(
        { From: text, Time: count, TimeStr: text, Error: text },
        { requiredKeys: ['From', 'Time', 'TimeStr'] },
      ),
    ),
  ],
  [
    { command: 'reload' },
    fc.oneof(
      fc.record({ Success: fc.constant(true) }),
      fc.record({ Success: fc.constant(false), Error: text }),
    ),
  ],
  [{ command: 'work', subcommand: 'list' }, fc.dictionary(name, unit)],
  [work('status'), unit],
  [work('cancel'), fc.oneof(fc.record({ cancelled: text }), fc.record({ 'cancel pending': text }))],
  [work('release'), fc.oneof(fc.record({ released: text }), fc.record({ 'release pending': text }))],
  [work('force-release'), fc.record({ released: text })],
  [
    { command: 'work', subcommand: 'submit', node: 'x', workType: 'x', parameters: {} },
    fc.record({ result: text, unitid: text }),
  ],
];

describe.each(answers)('a reply to %j', (command, replies) => {
  it('that is well formed comes back from its line as it was', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        const plain: unknown = JSON.parse(JSON.stringify(reply));
        expect(decodeReply(command, encode(command, plain))).toEqual(plain);
      }),
    );
  });

  it('keeps members that are not known', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        if (command.command === 'traceroute' || (command.command === 'work' && command.subcommand === 'list'))
          return;
        const more = { ...(JSON.parse(JSON.stringify(reply)) as object), Later: [1] };
        expect(decodeReply(command, JSON.stringify(more))).toEqual(more);
      }),
    );
  });

  it('never throws anything but a ReceptorError, whatever the line', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          text.map((error) => `ERROR: ${error}`),
        ),
        (line) => {
          try {
            decodeReply(command, line);
          } catch (error) {
            expect(error).toBeInstanceOf(ReceptorError);
          }
        },
      ),
    );
  });
});

describe('a reply that is none', () => {
  it.each([
    [{ command: 'ping', target: 'x' }, '{"Success":true}', 'it.From is no string'],
    [{ command: 'ping', target: 'x' }, '{"From":"x"}', 'it.Success is not true'],
    [{ command: 'status' }, '[]', 'it is no object'],
    [{ command: 'status' }, '{"NodeID":5}', 'it.NodeID is no string'],
    [
      { command: 'status' },
      '{"Connections":[{"NodeID":"a","Cost":1},{"NodeID":"b"}]}',
      'it.Connections[1].Cost is no number',
    ],
    [{ command: 'work', subcommand: 'list' }, '{"u":null}', 'it.u is no object'],
    [work('cancel'), '{}', 'it.cancelled is no string'],
    [work('status'), 'Job', 'it is not JSON'],
  ] as const)('to %j, %s, is refused with the place that is wrong', (command, line, why) => {
    expect(() => decodeReply(command, line)).toThrow(
      `unexpected reply of the control service (${why}): ${line}`,
    );
  });
});
