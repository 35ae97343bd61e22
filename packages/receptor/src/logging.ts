import type { Logger } from '@receptor/workceptor';
import { LOG_LEVELS, type LogLevel } from './config/sections/logging.js';

/** How a line of the log is written. */
export type LogFormat = 'text' | 'json';

/** Where the lines go; as much of a stream as the log needs. */
export interface LogSink {
  write(line: string): unknown;
}

/** The log of the daemon. */
export interface DaemonLogger extends Logger {
  /** The least important level that is written; may be changed at any time. */
  level: LogLevel;
}

const pad = (value: number): string => String(value).padStart(2, '0');

/** `2026/11/24 05:45:41`, in local time. */
function localTime(date: Date): string {
  const day = `${date.getFullYear()}/${pad(date.getMonth() + 1)}/${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

const escapeControl = (char: string): string =>
  char === '\n' ? '\n  ' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** A message may quote what a peer has sent: that must not pass for a line of the log, or drive a terminal. */
const harmless = (message: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to be taken out.
  message.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, escapeControl);

const FORMATS: Readonly<Record<LogFormat, (level: LogLevel, date: Date, message: string) => string>> = {
  text: (level, date, message) => `${level.toUpperCase()} ${localTime(date)} ${harmless(message)}\n`,
  json: (level, date, message) => `${JSON.stringify({ time: date.toISOString(), level, message })}\n`,
};

/**
 * Makes the log of the daemon: lines as the Go daemon writes them (reference: config, 6), or one JSON object each.
 *
 * It is written here and not taken from a logging package because it is this little: winston, for the same lines,
 * took 45 ms of a start of 100 ms, and 11 MB of memory.
 * @param options.now the clock
 */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly sink: LogSink;
  readonly now?: () => Date;
}): DaemonLogger {
  const now = options.now ?? (() => new Date());
  const format = FORMATS[options.format];
  const write = (level: LogLevel, message: string): void => {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(logger.level)) return;
    options.sink.write(format(level, now(), message.replace(/\n+$/, '')));
  };
  const logger: DaemonLogger = {
    level: options.level,
    error: (message) => write('error', message),
    warning: (message) => write('warning', message),
    info: (message) => write('info', message),
    debug: (message) => write('debug', message),
  };
  return logger;
}

/** The format that the environment asks for: `RECEPTOR_LOG_FORMAT=json`. */
export function logFormat(environment: NodeJS.ProcessEnv): LogFormat {
  return environment.RECEPTOR_LOG_FORMAT?.toLowerCase() === 'json' ? 'json' : 'text';
}

/** The log on the standard output. */
export function createProcessLogger(level: LogLevel = 'info'): DaemonLogger {
  return createLogger({ level, format: logFormat(process.env), sink: process.stdout });
}
