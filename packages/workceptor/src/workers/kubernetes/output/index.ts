export { collectOutput } from './collect.js';
export type { Gap, OutputOptions, OutputReport, Uncertain } from './types.js';
