export type { Clock, Gap, OutputOptions, OutputReport } from './types.js';
