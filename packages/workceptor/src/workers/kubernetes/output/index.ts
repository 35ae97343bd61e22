export { collectOutput } from './collect.js';
export type { Clock, Gap, OutputOptions, OutputReport } from './types.js';
