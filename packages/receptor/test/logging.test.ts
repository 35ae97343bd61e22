import { describe, expect, it } from 'vitest';
import { LOG_LEVELS } from '../src/config/sections/logging.js';
import { createLogger, type LogFormat, logFormat } from '../src/logging.js';

const NOON = new Date(2026, 10, 24, 5, 6, 7);

/** What a log of that format writes. */
function written(format: LogFormat, use: (log: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  const sink = {
    write: (line: string) => {
      text += line;
    },
  };
  use(createLogger({ level: 'debug', format, sink, now: () => NOON }));
  return text;
}

describe('the log as text', () => {
  it('has a line of level, local time and message for each, as the Go daemon writes it', () => {
    const text = written('text', (log) => {
      log.error('a');
      log.warning('b');
      log.info('Running control service control');
      log.debug('d\n');
    });
    expect(text).toBe(
      'ERROR 2026/11/24 05:06:07 a\n' +
        'WARNING 2026/11/24 05:06:07 b\n' +
        'INFO 2026/11/24 05:06:07 Running control service control\n' +
        'DEBUG 2026/11/24 05:06:07 d\n',
    );
  });

  it('never takes what a peer has sent for a line of its own', () => {
    const text = written('text', (log) =>
      log.warning('said x\nERROR 2026/11/24 05:06:07 forged\r\nINFO more'),
    );
    expect(text).toBe(
      'WARNING 2026/11/24 05:06:07 said x\n  ERROR 2026/11/24 05:06:07 forged\\x0d\n  INFO more\n',
    );
  });

  it('lets no control character through to a terminal, and every other character', () => {
    const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).filter((char) =>
      /\p{Cc}/u.test(char),
    );
    const text = written('text', (log) => log.info(`${controls.join('')}äµ€😀\t|`));
    expect(text.replace(/\n {2}|\n$|\t/g, '')).not.toMatch(/\p{Cc}/u);
    expect(text).toContain('\\x1b');
    expect(text).toContain('\\x9b');
    expect(text).toContain('äµ€😀\t|');
  });
});

describe('the log as JSON', () => {
  it('has one object for each line, whatever the message', () => {
    const text = written('json', (log) => {
      log.error('a\n{"level":"info"}\u001b[2J');
      log.info('"b"');
    });
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { time: NOON.toISOString(), level: 'error', message: 'a\n{"level":"info"}\u001b[2J' },
      { time: NOON.toISOString(), level: 'info', message: '"b"' },
    ]);
  });

  it('is what RECEPTOR_LOG_FORMAT=json asks for, in any case', () => {
    expect(logFormat({ RECEPTOR_LOG_FORMAT: 'JSON' })).toBe('json');
    expect(logFormat({ RECEPTOR_LOG_FORMAT: 'text' })).toBe('text');
    expect(logFormat({})).toBe('text');
  });
});

describe('the level', () => {
  it.each(LOG_LEVELS.map((level, index) => [level, LOG_LEVELS.slice(0, index + 1)] as const))(
    '%s lets through %j',
    (level, expected) => {
      const text = written('json', (log) => {
        log.level = level;
        for (const each of LOG_LEVELS) log[each](each);
      });
      expect(
        text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line).level),
      ).toEqual(expected);
    },
  );
});
