import type { Section, SettingsOf } from '../section.js';
import { tcpListener, tcpPeer, udpListener, udpPeer, wsListener, wsPeer } from './backends.js';
import { certInit, certMakereq, certSignreq } from './certificates.js';
import { controlService } from './control-service.js';
import { logLevel, trace } from './logging.js';
import { localOnly, node, version } from './node.js';
import { workPruning } from './pruning.js';
import {
  commandService,
  ipRouter,
  tcpClient,
  tcpServer,
  udpClient,
  udpServer,
  unixSocketClient,
  unixSocketServer,
} from './services.js';
import { tlsClient, tlsServer } from './tls.js';
import { workCommand, workKubernetes, workPython, workSigning, workVerification } from './workers.js';

/** Every section of the configuration, in the order of the Go daemon's help. */
const ALL = [
  node,
  localOnly,
  version,
  logLevel,
  trace,
  controlService,
  tlsServer,
  tlsClient,
  tcpListener,
  tcpPeer,
  udpListener,
  udpPeer,
  wsListener,
  wsPeer,
  commandService,
  ipRouter,
  tcpServer,
  tcpClient,
  udpServer,
  udpClient,
  unixSocketServer,
  unixSocketClient,
  workSigning,
  workVerification,
  workCommand,
  workKubernetes,
  workPython,
  workPruning,
  certInit,
  certMakereq,
  certSignreq,
] as const;

type AnySection = (typeof ALL)[number];

/** The name of a section. */
export type SectionName = AnySection['name'];

/** The settings of the section of that name. */
export type Settings<N extends SectionName> = SettingsOf<Extract<AnySection, { readonly name: N }>['fields']>;

/** The declarations, without their particular types. */
export const SECTIONS: readonly Section<SectionName>[] = ALL;

export function findSection(name: string): Section<SectionName> | undefined {
  return SECTIONS.find((section) => section.name === name);
}
