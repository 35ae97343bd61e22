export { type Logger, silentLogger } from './logger.js';
export type { Origin, Parameters, StatusChange, UnitHandle, Worker, WorkType } from './worker.js';
