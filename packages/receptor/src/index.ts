export type { Origin, Parameters, StatusChange, UnitHandle, Worker, WorkType } from '@receptor/workceptor';
export { checkConfiguration, type Findings } from './check/check.js';
export { type Configuration, parseArguments, type Request } from './config/arguments.js';
export type { ConfigItem, Problem } from './config/item.js';
export type { CommandContext, ControlCommand, Reply } from './control/command.js';
export type { ControlLimits } from './control/limits.js';
export type { ControlServer } from './control/server.js';
export { type Daemon, type Extensions, startDaemon } from './daemon.js';
export { createLogger, type DaemonLogger, type LogFormat, type LogSink } from './logging.js';
