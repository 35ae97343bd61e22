import { defineSection, string } from '../section.js';

/** The levels of the log, from the fewest lines to the most. */
export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The level of that name, in any case. */
export const findLogLevel = (name: string): LogLevel | undefined =>
  LOG_LEVELS.find((level) => level === name.toLowerCase());

export const logLevel = defineSection({
  name: 'log-level',
  group: 'general',
  help: 'Specifies the verbosity level for command output',
  single: true,
  fields: {
    level: string('Log level: Error, Warning, Info or Debug', { bare: true, default: 'error' }),
  },
  checks: {
    init: ({ level }) =>
      findLogLevel(level) === undefined ? `${level} is not a valid log level name` : undefined,
  },
});

export const trace = defineSection({
  name: 'trace',
  group: 'general',
  help: 'Enables packet tracing output',
  single: true,
  fields: {},
});
