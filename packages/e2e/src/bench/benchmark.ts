/** What a figure has to reach: a ratio to the other program's, or a limit of its own. */
export type Target =
  | { readonly ratioAtLeast: number }
  | { readonly ratioAtMost: number }
  | { readonly atMost: number };

/** One line of the report. */
export interface Line {
  /** What was measured, with its unit. */
  readonly name: string;
  readonly ours: number;
  /** The other program's figure, where there is another program. */
  readonly other: number | undefined;
  /** Ours to the other's: the median of the ratios of all rounds. */
  readonly ratio: number | undefined;
  readonly target: Target | undefined;
}

/** A measurement that can be made of either program. */
export interface Benchmark<Subject> {
  /** What it measures, with units, and what ours has to reach. */
  readonly figures: readonly { readonly name: string; readonly target?: Target }[];
  readonly rounds: number;
  /** Measures once; returns one number for each of the figures. */
  measure(subject: Subject): Promise<readonly number[]>;
}

/**
 * Measures both programs in turns, so that whatever else the machine does meanwhile strikes both, and quotes medians.
 * @param onRound is told before each round what is about to be measured
 */
export async function compare<Subject>(
  { figures, rounds, measure }: Benchmark<Subject>,
  ours: Subject,
  other: Subject | undefined,
  onRound: (text: string) => void,
): Promise<Line[]> {
  const pairs: [readonly number[], readonly number[] | undefined][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    onRound(`${figures[0]?.name ?? ''} (${round} of ${rounds})`);
    const mine = await measure(ours);
    pairs.push([mine, other === undefined ? undefined : await measure(other)]);
  }
  return figures.map(({ name, target }, index) => {
    const values = pairs.map(([mine, theirs]) => [mine[index] ?? Number.NaN, theirs?.[index]] as const);
    const theirs = values.flatMap(([, value]) => value ?? []);
    return {
      name,
      target,
      ours: median(values.map(([value]) => value)),
      other: theirs.length > 0 ? median(theirs) : undefined,
      ratio: theirs.length > 0 ? median(values.map(([a, b]) => a / (b ?? Number.NaN))) : undefined,
    };
  });
}

/** The middle one; of an even number the upper middle one. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Whether a line reaches its target; undefined where it has none, or nothing to be compared with. */
export function isMet({ ours, ratio, target }: Line): boolean | undefined {
  if (target === undefined) return undefined;
  if ('atMost' in target) return ours <= target.atMost;
  if (ratio === undefined) return undefined;
  return 'ratioAtLeast' in target ? ratio >= target.ratioAtLeast : ratio <= target.ratioAtMost;
}

const COLUMNS = [46, 12, 12, 9, 12, 6];

const row = (cells: readonly string[]): string =>
  cells
    .map((cell, i) => (i === 0 ? cell.padEnd(COLUMNS[i] ?? 0) : cell.padStart(COLUMNS[i] ?? 0)))
    .join('')
    .trimEnd();

/** The head of a table of lines. */
export function formatHead(title: string, other: string): string {
  return `${title}\n${row(['', 'ours', other, 'ratio', 'target', ''])}`;
}

/** A line of the table. */
export function formatLine(line: Line): string {
  const met = isMet(line);
  return row([
    line.name,
    formatNumber(line.ours),
    formatNumber(line.other),
    line.ratio === undefined ? '-' : line.ratio.toFixed(2),
    formatTarget(line.target),
    met === undefined ? '-' : met ? 'met' : 'NOT',
  ]);
}

function formatNumber(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value === Number.POSITIVE_INFINITY) return 'hangs';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function formatTarget(target: Target | undefined): string {
  if (target === undefined) return '-';
  if ('atMost' in target) return `<= ${target.atMost}`;
  const short = (ratio: number) => Number(ratio.toFixed(2));
  return 'ratioAtLeast' in target
    ? `>= ${short(target.ratioAtLeast)} x`
    : `<= ${short(target.ratioAtMost)} x`;
}
