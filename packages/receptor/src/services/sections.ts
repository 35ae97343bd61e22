import type { SectionName } from '../config/sections/index.js';

/** The sections of services on top of the mesh. */
export const SERVICES: ReadonlySet<SectionName> = new Set<SectionName>([
  'tcp-server',
  'tcp-client',
  'udp-server',
  'udp-client',
  'unix-socket-server',
  'unix-socket-client',
  'command-service',
  'ip-router',
]);
