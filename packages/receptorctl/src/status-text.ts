import { prettyJson, pythonLiteral, sortedEntries } from './python.js';

/** A reply to `status`, of which every member may be missing and others may be there. */
type Reply = Readonly<Record<string, unknown>>;
type Row = readonly string[];

const CONN_TYPES = ['Datagram', 'Stream', 'StreamTLS'];
/** Widths of an advertisement's columns after the node. */
const WIDTHS = { service: 9, type: 10, seen: 21, tags: 16 };
const KNOWN = new Set([
  'NodeID',
  'Version',
  'SystemCPUCount',
  'SystemMemoryMiB',
  'Connections',
  'KnownConnectionCosts',
  'RoutingTable',
  'Advertisements',
]);

const isObject = (value: unknown): value is Reply =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objects = (value: unknown): Reply[] => (Array.isArray(value) ? value.filter(isObject) : []);
const object = (value: unknown): Reply => (isObject(value) ? value : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : pythonLiteral(value));
/** Pads by code points, as Python does. */
const pad = (value: string, width: number): string =>
  value + ' '.repeat(Math.max(0, width - [...value].length));

/** The node's time as it stands in the reply, without zone or fraction. */
function seen(time: unknown): string {
  const [, date, clock] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)/.exec(text(time)) ?? [];
  return date === undefined ? text(time) : `${date} ${clock}`;
}

function advertisement(ad: Reply): Row {
  const tags = ad.Tags === null || ad.Tags === undefined ? '-' : pythonLiteral(ad.Tags);
  const columns = [
    pad(text(ad.Service), WIDTHS.service),
    pad(CONN_TYPES[Number(ad.ConnType)] ?? text(ad.ConnType), WIDTHS.type),
    pad(seen(ad.Time), WIDTHS.seen),
    pad(tags, WIDTHS.tags),
  ];
  return [text(ad.NodeID), columns.join(' ')];
}

/** Each node's work types, from the first of its advertisements that has any of the kind. */
function workTypes(ads: readonly Reply[], secure: boolean): Row[] {
  const rows = new Map<string, string>();
  for (const ad of ads) {
    const node = text(ad.NodeID);
    const names = objects(ad.WorkCommands)
      .filter((command) => (command.Secure === true) === secure)
      .map((command) => text(command.WorkType));
    if (names.length > 0 && !rows.has(node)) rows.set(node, names.join(', '));
  }
  return [...rows];
}

/** The reply to `status` for people, line by line as the Python client prints it (reference: control, 10). */
export function statusText(status: Reply): string {
  const connections = objects(status.Connections);
  const costs = sortedEntries(object(status.KnownConnectionCosts));
  const ads = objects(status.Advertisements);
  const names = [...connections.map((connection) => text(connection.NodeID)), ...costs.map(([node]) => node)];
  const width = Math.max(12, ...names.map((name) => [...name].length));
  const block = (title: Row, rows: readonly Row[]): string[] =>
    rows.length === 0
      ? []
      : ['', ...[title, ...rows].map(([first = '', rest]) => `${pad(first, width)} ${rest}`)];

  const lines = [
    `Node ID: ${text(status.NodeID)}`,
    `Version: ${text(status.Version)}`,
    `System CPU Count: ${text(status.SystemCPUCount)}`,
    `System Memory MiB: ${text(status.SystemMemoryMiB)}`,
    ...block(
      ['Connection', 'Cost'],
      connections.map(({ NodeID, Cost }) => [text(NodeID), text(Cost)]),
    ),
    ...block(
      ['Known Node', 'Known Connections'],
      costs.map(([node, peers]) => [
        node,
        sortedEntries(object(peers))
          .map(([peer, cost]) => `${peer}: ${text(cost)} `)
          .join(''),
      ]),
    ),
    ...block(
      ['Route', 'Via'],
      sortedEntries(object(status.RoutingTable)).map(([node, via]) => [node, text(via)]),
    ),
    ...block(['Node', 'Service   Type       Last Seen             Tags'], ads.map(advertisement)),
    ...block(['Node', 'Work Types'], workTypes(ads, false)),
    ...block(['Node', 'Secure Work Types'], workTypes(ads, true)),
  ];
  const others = sortedEntries(status).filter(([key]) => !KNOWN.has(key));
  if (others.length > 0) {
    lines.push('Additional data returned from Receptor:', prettyJson(Object.fromEntries(others)));
  }
  return lines.join('\n');
}
