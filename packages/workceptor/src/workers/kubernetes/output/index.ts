export { collectOutput } from './collect.js';
export type { Clock, Gap, OutputOptions, OutputReport, Uncertain } from './types.js';
