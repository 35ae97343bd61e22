export { formatHostPort, type HostPort, parseHostPort } from './backends/address.js';
export type {
  Backend,
  BackendContext,
  DiallingBackend,
  ListeningBackend,
  Session,
  SessionHandlers,
} from './backends/backend.js';
export { type Conditions, MemoryNetwork, type Passage } from './backends/memory.js';
export { StreamSession } from './backends/stream-session.js';
export { TcpDialler, type TcpDiallerOptions, TcpListener, type TcpListenerOptions } from './backends/tcp.js';
export { UdpDialler, type UdpDiallerOptions, UdpListener, type UdpListenerOptions } from './backends/udp.js';
export {
  WebSocketDialler,
  type WebSocketDiallerOptions,
  WebSocketListener,
  type WebSocketListenerOptions,
} from './backends/websocket.js';
export { type CancelTimer, type Clock, systemClock } from './clock.js';
export { MESH_ERROR_CODES, MeshError, type MeshErrorCode } from './errors.js';
export {
  type FirewallAction,
  type FirewallRule,
  type FirewallSubject,
  parseFirewallRules,
} from './firewall/firewall.js';
export type { LinkEnd } from './link/state.js';
export { type Logger, silentLogger } from './logger.js';
export type { OwnAdvertisement } from './node/advertising.js';
export type { BackendSettings } from './node/checks.js';
export type { AdvertisementEvent, LinkDownEvent, LinkUpEvent, NodeEvents } from './node/events.js';
export type { DialOptions, ListenOptions, NetceptorOptions, RunningBackend } from './node/options.js';
export type { NodeStatus } from './node/status.js';
export { Netceptor } from './node.js';
export {
  type Packet,
  PacketConnection,
  type PacketEvents,
  type PacketSender,
  type UnreachableNotice,
} from './packet/packet-connection.js';
export { MAX_HOPS, type PacketCounters } from './packet/packet-layer.js';
export type { PingOptions, PingResult } from './packet/ping.js';
export { type Random, secureRandom } from './random.js';
export type { Route, RoutingTable } from './routing/shortest-paths.js';
export { type ServeStream, type StreamCaller, StreamListener } from './stream/listener.js';
export { parseFingerprints } from './tls/fingerprints.js';
export type { Identity } from './tls/insecure.js';
export { nodeIdsOf } from './tls/node-ids.js';
export {
  checkOwnNodeId,
  type Refusal,
  type TlsClientOptions,
  TlsClientProfile,
  type TlsListenerOptions,
  type TlsServerOptions,
  TlsServerProfile,
} from './tls/profile.js';
export { type Advertisement, ConnectionType, type WorkCommand } from './wire/advertisement.js';
export { formatTimestamp } from './wire/timestamp.js';
export { Problem, type Unreachable } from './wire/unreachable.js';
