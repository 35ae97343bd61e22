import { mapKey } from '../../src/config/map-form.js';
import type { Field, Section } from '../../src/config/section.js';
import { GROUPS, PHASES } from '../../src/config/section.js';
import { SECTIONS, type SectionName } from '../../src/config/sections/index.js';
import { GENERATED, sentence, table } from './markdown.js';

/** The headings of the page; those of `--help` are sentences for a terminal. */
const TITLES: Readonly<Record<keyof typeof GROUPS, string>> = {
  general: 'The node',
  resources: 'Resources that other sections use',
  backends: 'Backends: links to other nodes',
  services: 'Services on the mesh',
  workers: 'Work',
  certificates: 'Certificates',
};

/** How a value of each type is written, by the name that `--help` has for the type. */
const TYPES: Readonly<Record<string, { readonly name: string; readonly written: string }>> = {
  string: { name: 'text', written: 'A number or a boolean is taken as text too.' },
  int: { name: 'whole number', written: 'Also `0x1f`, `0b11`, and octal with a leading zero: `0600`.' },
  float64: { name: 'number', written: '`1`, `1.5`, `1e3`.' },
  bool: { name: 'boolean', written: '`true` or `false`, `yes` or `no`; in quotes also `1`, `0`, `t`, `f`.' },
  '[]string (may be repeated)': {
    name: 'list of text',
    written:
      'A YAML list; one text is a list of one. On the command line `allowedpeers=a allowedpeers=b` or `allowedpeers=["a","b"]`.',
  },
  'JSON dict of string to float64': {
    name: 'map of numbers',
    written: 'A YAML map. On the command line JSON: `nodecost={"bar":2.5}`.',
  },
  'JSON dict with string keys': { name: 'map', written: 'A YAML map. On the command line JSON.' },
  'JSON list of JSON dict of JSON data to JSON data': {
    name: 'list of rules',
    written: 'A YAML list of maps. On the command line JSON: `firewallrules=[{"action":"accept"}]`.',
  },
};

const typeName = ({ kind }: Field<unknown>): string => {
  const type = TYPES[kind.label];
  if (!type) throw new Error(`the type ${kind.label} has no description`);
  return type.name;
};

const PAGE = `# Configuration of the daemon

${GENERATED}

The daemon reads its configuration from a file, from its command line, or from both. A file is a YAML list of sections:

\`\`\`yaml
- node:
    id: foo
- log-level: debug
- tcp-listener:
    port: 2222
    cost: 1.5
\`\`\`

    receptor --config foo.yml

or, in the map form, a YAML map. There a section that can be there once has its own name, and any other stands in a list under its
plural. Which form a file has is seen from the file; \`--config-v2\`, which the Go daemon needs for a map, is accepted and changes nothing, but
that \`~/receptor.yaml\` is read when no file is named.

\`\`\`yaml
version: 2
node:
  id: foo
log-level:
  level: debug
tcp-listeners:
  - port: 2222
    cost: 1.5
\`\`\`

For editors there is a [JSON Schema](configuration.schema.json) of both forms; with the YAML language server, the first line of a file
names it: \`# yaml-language-server: $schema=configuration.schema.json\`.

A section or key that is not known is refused in a list. In a map it is passed over, as the Go daemon does, with a warning in the
log; all defaults, and what is required, are as in a list, where the Go daemon leaves some out.

On the command line, a section is an option and its keys follow it:

    receptor --node id=foo --log-level debug --tcp-listener port=2222 cost=1.5

\`-c FILE\` and \`--config FILE\` put the sections of a file at that place; they can be given again, and mixed with sections.
Names of keys may be in any case; so may sections on the command line, while in a file they are in lower case. A section whose table
marks a key as *bare* takes a value without a name for it: \`- log-level: debug\`, \`--log-level debug\`.

\`--help\` lists all sections, \`--tcp-listener --help\` explains one, \`--version\` prints the version, and \`--bash-completion\` a script that completes sections and keys.
The environment variable \`RECEPTOR_LOG_FORMAT=json\` makes each line of the log a JSON object with \`time\`, \`level\` and \`message\`.

## Check a file

    receptor check foo.yml

tells everything that is wrong with a file, each problem with its line and column and what to do about it, and starts nothing. It
finds what a start would find one by one, and of certificates besides those that a daemon would show in vain: expired, not valid yet,
for other nodes, for the other side of a connection, with another key. The exit code is 1 where there is a problem; oddities with which
a daemon starts, such as a key that is passed over, or a certificate that expires within 30 days, are warnings. What only a start can
tell, such as a port that is taken, is not found.

## Change it while it runs

\`receptorctl reload\` has the daemon read its files again. Links (the sections of listeners and peers) and services on the mesh begin and end, and
\`log-level\` and \`work-pruning\` change; a Go daemon reloads links alone. What has not changed is left alone, with the connections
it carries; those of a service that is gone, or says something else now, are cut. For all other sections a restart is needed; the
reply says so, and nothing has changed then. What cannot be started, such as a service on a port that is taken, the reply says too;
the rest is in force then, and the next reload tries again.

A file in the form of a map is watched: when it has changed, the daemon does the same by itself, and says in its log what came of it.

## In which order things happen

Everything is read before anything is done. Then each of the phases ${PHASES.map((phase) => `*${phase}*`).join(', ')} goes over all
sections in their order, so that a section may use what a later one defines in an earlier phase: a listener can name a
\`tls-server\` that stands below it. What is wrong with a section is found in the phase given with it; what is wrong with a
single value, when it is read. A mistake ends the start with \`Error: …\`, the place in the file, and exit code 1;
nothing stays open. A line \`Hint: …\` after it says what to do, where the error itself does not. Control services answer when all sections are in force.

Lock files keep daemons from disturbing each other: one beside each Unix socket (\`FILE.lock\`, which a Go daemon honours too),
and one beside the node's data directory (\`DATADIR/ID.lock\`, which a Go daemon does not know). They are free when their daemon
has ended, however it ended, and stay where they are.

## Types of values

${table(
  ['type', 'how it is written'],
  Object.values(TYPES).map(({ name, written }) => [name, written]),
)}`;

/** The text of docs/reference/configuration.md. */
export function configurationPage(): string {
  const parts = [PAGE];
  for (const group of Object.keys(GROUPS) as (keyof typeof GROUPS)[]) {
    parts.push(`## ${TITLES[group]}\n`);
    for (const section of SECTIONS) if (section.group === group) parts.push(sectionText(section));
  }
  return `${parts.join('\n')}`;
}

function sectionText(section: Section<SectionName>): string {
  const fields = Object.entries(section.fields);
  const rows = fields.map(([name, field]) => [
    `\`${name}\``,
    typeName(field),
    field.required === 'list'
      ? '*required*, may be empty'
      : field.required
        ? '*required*'
        : field.default === undefined
          ? ''
          : `\`${field.default}\``,
    meaning(field, section.own),
  ]);
  const arguments_ = fields.map(([name, { required, kind }]) =>
    required ? `${name}=<${argument(kind.label)}>` : `[${name}=<${argument(kind.label)}>]`,
  );
  const phases = PHASES.filter((phase) => section.checks?.[phase]);
  const remarks = [
    section.own ? 'The Go daemon does not have it.' : '',
    section.single ? 'May be there once.' : '',
    section.implicit ? 'Where it is missing it is added, with its defaults.' : '',
    section.exclusive ? 'Must be the only section.' : '',
    section.name === 'version' ? '' : `In the map form: \`${mapKey(section)}\`.`,
    phases.length > 0 ? `Checked in the phase ${phases.map((phase) => `*${phase}*`).join(' and ')}.` : '',
  ].filter(Boolean);
  return [
    `### ${section.name}\n`,
    `${sentence(section.help.replaceAll('\n', ' '))}${remarks.length > 0 ? `\n${remarks.join(' ')}` : ''}\n`,
    ...(section.notes ? [`${section.notes}\n`] : []),
    ...(rows.length > 0 ? [table(['key', 'type', 'default', 'meaning'], rows)] : []),
    `    ${[`--${section.name}`, ...arguments_].join(' ')}\n`,
  ].join('\n');
}

const argument = (label: string): string =>
  label.startsWith('JSON') ? 'JSON' : label.replace(/^\[\]string.*/, 'string');

function meaning(
  { help, note, bare, refersTo, onlyWith, own }: Field<unknown>,
  sectionIsOwn = false,
): string {
  return [
    help === undefined ? '' : sentence(help),
    note ?? '',
    refersTo ? `The \`name\` of a [\`${refersTo}\`](#${refersTo}) section.` : '',
    onlyWith ? `Only with \`${onlyWith}\`.` : '',
    bare ? '*Bare.*' : '',
    own && !sectionIsOwn ? 'The Go daemon does not have it.' : '',
  ]
    .filter(Boolean)
    .join(' ');
}
