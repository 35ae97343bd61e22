export { ERROR_CODES, type ErrorCode, ReceptorError } from './errors.js';
export { isComplete, stateName, type UnitReport, type UnitStatus, WorkState } from './unit.js';
