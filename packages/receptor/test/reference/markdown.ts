/** Stands on every page that is made from the code. */
export const GENERATED =
  '<!-- Made from the declarations in the code by `npx -y pnpm@10 run docs`; a test tells when it is out of date. -->';

/** A table; `|` in a cell is kept from ending it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

/** The text with a full stop, where it has none. */
export const sentence = (text: string): string => (/[.!?:]$/.test(text) ? text : `${text}.`);
