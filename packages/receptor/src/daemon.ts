import { isDeepStrictEqual } from 'node:util';
import { parseDurationMs } from '@receptor/protocol';
import { type Retention, Workceptor, type WorkType } from '@receptor/workceptor';
import { BACKENDS, Backends } from './backends.js';
import type { Configuration } from './config/arguments.js';
import { type ConfigItem, checkItems, configError, itemKey } from './config/item.js';
import type { SectionName, Settings } from './config/sections/index.js';
import { findLogLevel, type LogLevel } from './config/sections/logging.js';
import { kubernetesEnvironment, nodeId } from './config/sections/node.js';
import { ConfigWatch } from './config-watch.js';
import type { ControlCommand } from './control/command.js';
import { receptorCommands } from './control/commands/index.js';
import { ControlServer } from './control/server.js';
import { ControlService } from './control/service.js';
import { lockData } from './data-lock.js';
import type { FileLock } from './file-lock.js';
import type { DaemonLogger } from './logging.js';
import { OwnNode } from './own-node.js';
import { readAgain } from './reload.js';
import { NodeAccess } from './remote-access.js';
import { SERVICES } from './services/sections.js';
import { Services } from './services.js';
import { loadSigning } from './signing.js';
import { loadTlsProfiles } from './tls-profiles.js';
import { TlsRenewal } from './tls-renewal.js';
import { ownVersion } from './version.js';
import { workTypeOf } from './work-types.js';

/** A node that runs. */
export interface Daemon {
  readonly nodeId: string;
  /** Takes commands that a program adds to the control service. */
  readonly control: ControlServer;
  /** The node's units of work. */
  readonly workceptor: Workceptor;
  /** Where its control services listen: paths of sockets, and `host:port`. */
  readonly addresses: readonly string[];
  /** Whether nothing keeps it running: neither a backend, nor a control service, nor `local-only`. */
  readonly idle: boolean;
  /** Resolves when the node has left the mesh by itself, because another one has its ID; otherwise never. */
  readonly superseded: Promise<void>;
  /**
   * Ends the node: sockets and locks are given up, connections closed. Units that run go on, and the next daemon with the
   * same data directory takes them up. May be called again; always resolves.
   */
  close(): Promise<void>;
}

/** What a program adds to the node that it embeds. It is there before the node answers anybody. */
export interface Extensions {
  /** Control commands by their names, in lower case and without blanks; one of Receptor's own may be replaced. */
  readonly commands?: Readonly<Record<string, ControlCommand>>;
  /** Work types beside those of the configuration. */
  readonly workTypes?: readonly WorkType[];
}

/** Sections that give a node something to do. */
const OCCUPATIONS: ReadonlySet<SectionName> = new Set([
  ...BACKENDS,
  ...SERVICES,
  'control-service',
  'local-only',
]);
/** Whether a configuration keeps its node running. */
export const givesOccupation = (items: readonly ConfigItem[]): boolean =>
  items.some(({ section }) => OCCUPATIONS.has(section));
/** Sections that only a node of the mesh can put in force. */
const OF_THE_MESH: ReadonlySet<SectionName> = new Set([...BACKENDS, ...SERVICES, 'tls-server', 'tls-client']);

/**
 * Puts a configuration in force. Control services answer when the whole of it is, whatever the order of its sections:
 * locks first, so that a second daemon touches nothing; then work types, backends and units; the sockets last.
 * @param configuration as `parseArguments` returns it; its sections are checked before anything is touched
 * @param log a section `log-level` sets its level
 * @param extensions what the node has beside what the configuration says
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`, mostly, when a section cannot be put in force; nothing stays open
 */
export async function startDaemon(
  configuration: Configuration,
  log: DaemonLogger,
  extensions: Extensions = {},
): Promise<Daemon> {
  const { items, warnings } = configuration;
  checkItems(items);
  const usualLevel = log.level;
  log.level = logLevelOf(items, usualLevel);
  for (const warning of warnings) log.warning(warning);

  const [settings] = settingsOf(items, 'node');
  if (!settings) throw configError('the configuration has no node');
  const id = nodeId(settings.id);
  const version = ownVersion();
  const tls = await loadTlsProfiles(items, id);
  const { signer, verifier } = loadSigning(items, id, log);
  const remote = new NodeAccess(tls, signer);
  const workceptor = new Workceptor({ nodeId: id, dataDir: settings.datadir, remote, logger: log });
  let supersede = () => {};
  const superseded = new Promise<void>((resolve) => {
    supersede = resolve;
  });
  const node = new OwnNode({ id, version, settings, tls, workceptor, log }, (netceptor) => {
    remote.watch(netceptor);
    netceptor.once('duplicate', supersede);
  });
  remote.connect(node);
  // Takes a while to load; a node that is all by itself does without it.
  if (items.some(({ section }) => OF_THE_MESH.has(section))) await node.join();
  const renewal = new TlsRenewal(tls.files, log);
  const backends = new Backends(node, tls, log);
  const services = new Services(node, tls, log);
  const reload = reloader(configuration, renewal, async (changed) => {
    await backends.apply(changed);
    await services.apply(changed);
    log.level = logLevelOf(changed, usualLevel);
    workceptor.keepFinished(retentionOf(changed));
  });
  const configWatch = new ConfigWatch(configuration.mapFiles ?? [], reload, log);
  const commands = receptorCommands({ node, workceptor, verifier, log, reload });
  const control = new ControlServer({ nodeId: node.id, log, commands });
  for (const [name, command] of Object.entries(extensions.commands ?? {})) control.addCommand(name, command);

  const idle = !givesOccupation(items);
  const controlServices: ControlService[] = [];
  let dataLock: FileLock | undefined;
  const close = async (): Promise<void> => {
    configWatch.close();
    renewal.close();
    const accepting = [...controlServices, services].map((each) => each.close());
    control.close();
    await Promise.allSettled([...accepting, workceptor.close()]);
    await node.close();
    dataLock?.release();
    for (const service of controlServices) service.release();
  };

  try {
    const controlItems = settingsOf(items, 'control-service');
    for (const each of controlItems) {
      controlServices.push(await ControlService.prepare(each, control, tls.servers.get(each.tcptls)));
      // One that comes by the mesh has the rights of the mesh, also from this very node.
      if (each.service)
        node.addService(
          each.service,
          (stream, remote) => control.serve(stream, 'mesh', remote),
          tls.servers.get(each.tls),
        );
    }
    dataLock = await lockData(workceptor.directory, log);
    const about = { nodeId: node.id, kubernetesEnvironment: kubernetesEnvironment(settings), log };
    const workTypes = [...items.map((item) => workTypeOf(item, about)), ...(extensions.workTypes ?? [])];
    for (const workType of workTypes) if (workType) workceptor.registerWorkType(workType);
    node.changed();
    await workceptor.open();
    workceptor.keepFinished(retentionOf(items));
    await renewal.start();
    await configWatch.start();
    await backends.apply(items);
    await services.apply(items);
    for (const service of controlServices) await service.listen();
    for (const each of controlItems) log.info(`Running control service ${each.service}`);
    if (!idle) log.info('Initialization complete');
  } catch (error) {
    await close();
    throw error;
  }

  let closing: Promise<void> | undefined;
  return {
    nodeId: node.id,
    control,
    workceptor,
    addresses: controlServices.flatMap((service) => service.addresses),
    idle,
    superseded,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** The level that a configuration sets for the log. */
const logLevelOf = (items: readonly ConfigItem[], usual: LogLevel): LogLevel =>
  findLogLevel(settingsOf(items, 'log-level')[0]?.level ?? usual) ?? usual;

/** Which finished units a configuration keeps. */
function retentionOf(items: readonly ConfigItem[]): Retention {
  const [{ maxage, maxunits } = { maxage: '', maxunits: 0 }] = settingsOf(items, 'work-pruning');
  return {
    ...(maxage !== '' && { maxAgeMs: parseDurationMs(maxage) }),
    ...(maxunits > 0 && { maxUnits: maxunits }),
  };
}

/**
 * What `reload` does: one after the other, each from what the one before has left in force. Says whether anything has
 * changed.
 */
function reloader(
  configuration: Configuration,
  renewal: TlsRenewal,
  apply: (items: readonly ConfigItem[]) => Promise<void>,
): () => Promise<boolean> {
  let now = configuration.items;
  let last: Promise<unknown> = Promise.resolve();
  const reload = async (): Promise<boolean> => {
    const items = await readAgain(configuration, now);
    const changed = !isDeepStrictEqual(items.map(itemKey), now.map(itemKey));
    await renewal.refresh();
    await apply(items);
    now = items;
    return changed;
  };
  return () => {
    const result = last.then(reload, reload);
    last = result;
    return result;
  };
}

function settingsOf<N extends SectionName>(items: readonly ConfigItem[], name: N): Settings<N>[] {
  return items.filter((item) => item.section === name).map((item) => item.settings as Settings<N>);
}
