import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import { silentLogger } from '@receptor/workceptor';
import { missingItems } from '../config/arguments.js';
import { readConfiguration } from '../config/file.js';
import { type ConfigItem, checkItems, describePosition, type Problem, type Report } from '../config/item.js';
import { kubernetesEnvironment, nodeId } from '../config/sections/node.js';
import { givesOccupation } from '../daemon.js';
import { loadSigning } from '../signing.js';
import { workTypeOf } from '../work-types.js';

/** What a check of a configuration has found. */
export interface Findings {
  /** For these a daemon does not start, or does not do what the configuration says. In the order of the file. */
  readonly problems: readonly Problem[];
  /** Oddities with which a daemon starts. */
  readonly warnings: readonly Problem[];
  /** How many sections the file has. */
  readonly sections: number;
}

/**
 * Looks for everything that is wrong with a configuration file, and not only for the first. Nothing is started, opened or
 * written, and what only a start can tell, such as a port that is taken, is not found.
 * @param path of the file
 * @param now the time that certificates have to be valid at, in milliseconds since 1970
 */
export async function checkConfiguration(path: string, now = Date.now()): Promise<Findings> {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const warn: Report = (problem) => warnings.push(problem);
  let items: readonly ConfigItem[];
  try {
    const file = await readConfiguration(path, report);
    for (const message of file.warnings) warn({ message, at: { file: path } });
    items = file.items;
  } catch (error) {
    if (!(error instanceof ReceptorError)) throw error;
    return { problems: [{ message: error.message, at: { file: path } }], warnings, sections: 0 };
  }
  // What follows from a mistake in a section is no news: only sound sections are checked further.
  const faulty = new Set(problems.map(({ section }) => section));
  const isSound = ({ at }: ConfigItem) => !faulty.has(at);
  const all = [...items, ...missingItems(items)];
  checkItems(all, (problem) => faulty.has(problem.section) || report(problem));
  const sound = all.filter(isSound);
  checkSockets(sound, report);
  await checkNode(sound, report, warn, now);
  const complete = problems.length === 0;
  if (complete && !givesOccupation(all))
    warn({ message: 'Nothing to do - no backends are running.', at: { file: path } });
  return { problems: inOrder(problems), warnings: inOrder(warnings), sections: items.length };
}

/** What can be told of the sockets and services of control services without opening them. */
function checkSockets(items: readonly ConfigItem[], report: Report): void {
  const services = new Set<string>();
  const sockets = new Set<string>();
  for (const item of items) {
    if (item.section !== 'control-service') continue;
    const { settings, at, fieldsAt } = item;
    const { service, filename } = settings;
    const tell = (field: 'service' | 'filename', message: string) =>
      report({ message: `error opening Unix socket: ${message}`, at: fieldsAt[field] ?? at });
    if (service !== '' && services.has(service)) tell('service', `service ${service} is already listening`);
    services.add(service);
    if (filename === '') continue;
    if (sockets.has(filename))
      tell('filename', `could not acquire lock on socket file: fslock is already locked (${filename}.lock)`);
    else if (!existsSync(dirname(filename)))
      tell('filename', `could not acquire lock on socket file: no such file or directory (${filename}.lock)`);
    sockets.add(filename);
  }
}

/** What only the parts of the node themselves can tell: certificates, keys, rules of the firewall, work types. */
async function checkNode(
  items: readonly ConfigItem[],
  report: Report,
  warn: Report,
  now: number,
): Promise<void> {
  const node = items.find((item) => item.section === 'node');
  const id = nodeId(node?.settings.id ?? '');
  const environment = node === undefined ? {} : kubernetesEnvironment(node.settings);
  const about = { nodeId: id, kubernetesEnvironment: environment, log: silentLogger };
  const workTypes = new Set<string>();
  for (const item of items) {
    const attempt = (work: () => unknown) => {
      try {
        return work();
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        report({ message: message.replace(describePosition(item.at), ''), at: item.at, cause });
        return undefined;
      }
    };
    if (item.section === 'tls-server' || item.section === 'tls-client') {
      const { checkCertificates } = await import('./certificates.js');
      await checkCertificates(item, id, now, report, warn);
    } else if (item.section === 'node' && item.settings.firewallrules.length > 0) {
      const { parseFirewallRules } = await import('@receptor/netceptor');
      attempt(() => parseFirewallRules(item.settings.firewallrules));
    }
    attempt(() => loadSigning([item], id, silentLogger));
    if (!('worktype' in item.settings)) continue;
    const { worktype } = item.settings;
    attempt(() => workTypeOf(item, about));
    if (workTypes.has(worktype)) report({ message: `work type ${worktype} already registered`, at: item.at });
    workTypes.add(worktype);
  }
}

const inOrder = (problems: readonly Problem[]): Problem[] =>
  problems.toSorted((a, b) => (a.at.line ?? 0) - (b.at.line ?? 0) || (a.at.column ?? 0) - (b.at.column ?? 0));
