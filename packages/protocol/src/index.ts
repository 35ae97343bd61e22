export { type Address, parseAddress } from './address.js';
export {
  type CallOptions,
  type ClientOptions,
  ReceptorClient,
  type SubmitOptions,
} from './client/client.js';
export type { Payload } from './client/payload.js';
export { ResultStream, type ResultsOptions } from './client/results.js';
export { ControlSession, type SubmitEvents } from './client/session.js';
export type { OpenConnection } from './client/session-pool.js';
export type { TlsOptions } from './client/transport.js';
export {
  type CommandLine,
  interpretCommand,
  MalformedLineError,
  parseCommandLine,
  splitCommandLine,
} from './command-line.js';
export {
  type Command,
  type ConnectCommand,
  isUnitId,
  type PingCommand,
  RESERVED_PARAMETERS,
  type ReloadCommand,
  type StatusCommand,
  type TracerouteCommand,
  type WorkCommand,
  type WorkEndCommand,
  type WorkFollowCommand,
  type WorkListCommand,
  type WorkResultsCommand,
  type WorkStatusCommand,
  type WorkSubmitCommand,
} from './commands.js';
export { type AnsweredCommand, decodeReply, type ReplyTo } from './decode-reply.js';
export { formatDuration, parseDuration, parseDurationMs } from './duration.js';
export { encodeCommand } from './encode-command.js';
export { ERROR_CODES, type ErrorCode, ReceptorError } from './errors.js';
export { decodeFrame, encodeFrame, type FollowedStatus, type Frame, followingLine } from './follow.js';
export { compareBytes, encodeGoJson, goMap } from './go-json.js';
export { quoteGo } from './go-text.js';
export { describeJsonError } from './json-error.js';
export { expandParameters, parseParameters } from './parameters.js';
export {
  type AdvertisedWorkType,
  type CancelReply,
  CONNECTING_LINE,
  type ConnectionReport,
  encodeReply,
  encodeStatusReply,
  encodeTracerouteReply,
  encodeUnitReply,
  encodeWorkListReply,
  errorReply,
  greetingLine,
  type PingReply,
  type ReleaseReply,
  type ReloadReply,
  type ServiceAdvertisement,
  type StatusReply,
  type SubmitReply,
  streamingLine,
  type TracerouteHop,
  type TracerouteReply,
  unitCreatedLine,
  unitReport,
  type WorkListReply,
} from './replies.js';
export { errorFromReply, isErrorLine } from './reply-error.js';
export { isComplete, stateName, type UnitReport, type UnitStatus, WorkState } from './unit.js';
