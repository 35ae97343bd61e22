export { type Configuration, parseArguments, type Request } from './config/arguments.js';
export type { ConfigItem } from './config/item.js';
export type { CommandContext, ControlCommand, Reply } from './control/command.js';
export type { ControlLimits } from './control/limits.js';
export type { ControlServer } from './control/server.js';
export { type Daemon, startDaemon } from './daemon.js';
export { createLogger, type DaemonLogger, type LogFormat, type LogSink } from './logging.js';
