import { type Field, GROUPS, type Section } from './section.js';
import { SECTIONS } from './sections/index.js';

/** The text of `--help`. `program` is the name it was started by. */
export function renderHelp(program: string): string {
  const parts = [
    `Usage: ${program} [--<action> [<param>=<value> ...] ...]\n`,
    '   --help: Show this help\n',
    '   --config <filename>: Load additional config options from a YAML file\n',
    '   check <filename> ...: Tell everything that is wrong with config files, without starting anything\n',
    `   --bash-completion: Generate a completion script for the bash shell
         Run ". <(${program} --bash-completion)" to activate now\n`,
  ];
  for (const [group, heading] of Object.entries(GROUPS)) {
    if (heading) parts.push(`${heading}\n`);
    for (const section of SECTIONS) if (section.group === group) parts.push(sectionHelp(section));
  }
  return parts.map((part) => `${part}\n`).join('');
}

/** The text of `--SECTION --help`: all there is to say about one section. */
export function renderSectionHelp(program: string, section: Section): string {
  const { name, single, exclusive, fields } = section;
  const notes = Object.entries(fields).flatMap(([field, { note }]) => (note ? [`${field}: ${note}`] : []));
  if (section.notes) notes.push(section.notes);
  const inFile = Object.entries(fields).map(([field, { kind, required, default: value }]) => {
    const shown = value ?? `<${kind.label}>`;
    return `    ${required === undefined ? '# ' : ''}${field}: ${shown}\n`;
  });
  return [
    `Usage: ${program} --${name} [<param>=<value> ...]\n\n`,
    sectionHelp(section),
    single ? '\nIt may be given once.\n' : '',
    notes.length === 0 ? '' : `\n${notes.map((note) => `${note}\n`).join('')}`,
    exclusive ? '' : `\nIn a file, with what is not required behind #:\n\n- ${name}:\n${inFile.join('')}`,
  ].join('');
}

function sectionHelp({ name, help, implicit, fields }: Section): string {
  const lines = [`   --${name}: ${help}${implicit ? ' (required)' : ''}`];
  for (const [fieldName, field] of Object.entries(fields)) lines.push(`      ${fieldHelp(fieldName, field)}`);
  return lines.map((line) => `${line}\n`).join('');
}

function fieldHelp(name: string, { kind, help, required, default: value }: Field<unknown>): string {
  const notes = [required ? 'required' : '', value === undefined ? '' : `default: ${value}`].filter(Boolean);
  return `${name}=<${kind.label}>${help ? `: ${help}` : ''}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
}

/** A script that completes sections and fields for bash. `program` is the name it was started by. */
export function renderCompletion(program: string): string {
  const actions = [
    '--help',
    '--bash-completion',
    '--config',
    '-c',
    ...SECTIONS.map(({ name }) => `--${name}`),
  ];
  const fields = SECTIONS.map(({ name, fields: of }) => {
    const words = Object.keys(of).map((field) => `${field}=`);
    return `    --${name}) words="${words.join(' ')}" ;;`;
  });
  const fn = `_${program.replace(/[^A-Za-z0-9_]/g, '_')}`;
  return `${fn}()
{
  local current="\${COMP_WORDS[COMP_CWORD]}" action="" words="" i
  local actions="${actions.join(' ')}"
  for (( i = COMP_CWORD - 1; i > 0; i-- )); do
    if [[ \${COMP_WORDS[i]} == -* ]]; then action="\${COMP_WORDS[i],,}"; break; fi
  done
  case "$action" in
    -c|--config) COMPREPLY=($(compgen -f -- "$current")); return ;;
${fields.join('\n')}
  esac
  if [[ $current == -* || -z $words ]]; then words="$actions"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -F ${fn} ${program}
`;
}
