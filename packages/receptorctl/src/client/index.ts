export { ControlClient } from './client.js';
export type { ClientTls } from './dial.js';
export type { SubmitOptions } from './submit.js';
