import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ContainerLog, type LogReadOptions, type LogSettings } from '../src/index.js';

const SECOND = 1_000_000_000n;
const START = 1_700_000_000n * SECOND;

const logOf = (settings: Partial<LogSettings> = {}) => new ContainerLog({ clock: () => START, ...settings });

const readAll = async (log: ContainerLog, options: LogReadOptions = {}): Promise<string> => {
  let text = '';
  for await (const chunk of log.read(options)) text += chunk.toString('latin1');
  return text;
};

const bytes = (text: string) => Buffer.from(text, 'latin1');

test('any output comes back byte for byte when CRLF is kept, however it was written', async () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc.constantFrom('\n', '\n\n', '\r\n', 'a\r', 'x'.repeat(20_000), 'y'.repeat(16_384)).map(bytes),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 20 }), async (chunks) => {
      const log = logOf({ foldCrlf: false });
      for (const each of chunks) log.write('stdout', each);
      log.close();
      expect(await readAll(log)).toBe(Buffer.concat(chunks).toString('latin1'));
    }),
  );
});

test('turns CRLF into LF as containerd does, and leaves every other CR alone', async () => {
  const log = logOf();
  for (const part of ['a\r\nb\rc\r', '\nd\r\r\n', '\r\n', 'end\r']) log.write('stdout', bytes(part));
  log.close();
  expect(await readAll(log)).toBe('a\nb\rc\nd\r\n\nend\r');
});

test('puts one timestamp before each line, also before one that is split into entries', async () => {
  const log = logOf();
  log.write('stdout', bytes(`a\n\n${'q'.repeat(40_000)}\nrest`));
  log.close();
  const stamp = '2023-11-14T22:13:20.000000000Z ';
  expect(await readAll(log, { timestamps: true })).toBe(
    `${stamp}a\n${stamp}\n${stamp}${'q'.repeat(40_000)}\n${stamp}rest`,
  );
});

test('shows a line only when it is complete', async () => {
  const log = logOf();
  log.write('stdout', bytes('half'));
  expect(await readAll(log)).toBe('');
  log.write('stdout', bytes(' and half\n'));
  expect(await readAll(log)).toBe('half and half\n');
});

test('counts entries, not lines, for tailLines', async () => {
  const log = logOf();
  log.write('stdout', bytes(`first\n${'w'.repeat(40_000)}\nlast`));
  log.close();
  expect(await readAll(log, { tailLines: 2 })).toBe(`${'w'.repeat(40_000 - 2 * 16_384)}\nlast`);
  expect(await readAll(log, { tailLines: 0 })).toBe('');
  expect(await readAll(log, { tailLines: 99 })).toHaveLength(40_011);
});

test('drops entries before `since`, and gives the rest of a line it cut no timestamp', async () => {
  let now = START;
  const log = logOf({ clock: () => now });
  log.write('stdout', bytes(`old\n${'w'.repeat(20_480)}`));
  now += 5n * SECOND;
  log.write('stdout', bytes('tail\nnew\n'));
  expect(await readAll(log, { timestamps: true, since: START + SECOND })).toBe(
    `${'w'.repeat(20_480 - 16_384)}tail\n2023-11-14T22:13:25.000000000Z new\n`,
  );
});

test('ends after limitBytes', async () => {
  const log = logOf();
  log.write('stdout', bytes('a line\n'));
  expect(await readAll(log, { timestamps: true, limitBytes: 10 })).toBe('2023-11-14');
});

test('a plain read after a rotation has the newest file only', async () => {
  const log = logOf({ maxBytes: 1000, checkMs: 0 });
  for (let line = 0; line < 30; line += 1) log.write('stdout', bytes(`${line}\n`));
  log.close();
  const text = await readAll(log);
  expect(text).not.toContain('0\n1\n');
  expect(text.endsWith('29\n')).toBe(true);
});

const rotated = async (loses: LogSettings['loses']): Promise<string> => {
  const log = logOf({ loses });
  const reader = log.read({ follow: true });
  log.write('stdout', bytes('a\n'));
  const first = await reader.next();
  log.write('stdout', bytes('b\n'));
  log.rotate();
  log.write('stdout', bytes('c\n'));
  log.rotate();
  log.write('stdout', bytes('d\n'));
  let text = String(first.value);
  const second = await reader.next();
  text += String(second.value);
  log.close();
  for await (const chunk of reader) text += chunk.toString();
  return text;
};

test('a follower that is behind loses whole files at a rotation, as with the kubelet', async () => {
  // It reads its own file to the end; then the container has ended, and it does not look further.
  expect(await rotated('behind')).toBe('a\nb\n');
});

test('with `unread` a follower loses what it had not read', async () => {
  expect(await rotated('unread')).toBe('a\nd\n');
});

test('with `never` a follower loses nothing', async () => {
  expect(await rotated('never')).toBe('a\nb\nc\nd\n');
});

test('a follower ends when its signal is aborted', async () => {
  const log = logOf();
  const stop = new AbortController();
  const reader = log.read({ follow: true }, stop.signal);
  const next = reader.next();
  stop.abort();
  expect((await next).done).toBe(true);
});
