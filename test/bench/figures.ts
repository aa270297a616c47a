/** Minimum, median and maximum of several rounds. */
export interface Spread {
  min: number;
  median: number;
  max: number;
}

export interface Figure {
  id: string;
  label: string;
  suite: string;
  spread: Spread;
  unit?: string;
  goal?: { atLeast?: number; atMost?: number };
  note?: string;
  /** The figure is in a table of its suite, so the list omits it. */
  tabled?: boolean;
}

/** Figures that are printed next to each other. */
export interface Table {
  head: string[];
  rows: string[][];
}

export interface Findings {
  figures: Figure[];
  tables?: Table[];
}

export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)]!;
  return {
    min: at(0),
    median: (at(0.5) + sorted[Math.ceil((sorted.length - 1) * 0.5)]!) / 2,
    max: at(1),
  };
}

type Extras = Partial<Pick<Figure, 'unit' | 'goal' | 'note' | 'tabled'>>;

/** Creates the figures of a suite. Without measured values there is no figure. */
export function figuresFor(
  suite: string,
): (id: string, label: string, values: number[], extras?: Extras) => Figure[] {
  return (id, label, values, extras) =>
    values.length === 0 ? [] : [{ id, label, suite, spread: spreadOf(values), ...extras }];
}

/** Compares the median with the goal. */
export function isMet({ goal, spread }: Figure): boolean | undefined {
  if (!goal) return undefined;
  return spread.median >= (goal.atLeast ?? -Infinity) && spread.median <= (goal.atMost ?? Infinity);
}

export function numberText(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

export function rangeText({ min, max }: Spread): string {
  return min === max ? '' : `${numberText(min)} - ${numberText(max)}`;
}

/** Lists all figures that are in no other table. */
export function listOf(figures: Figure[]): Table {
  const rows = figures
    .filter(({ tabled }) => !tabled)
    .map((figure) => [
      figure.label,
      `${numberText(figure.spread.median)}${figure.unit ? ` ${figure.unit}` : ''}`,
      rangeText(figure.spread),
      goalText(figure),
      { true: 'yes', false: '**no**', undefined: '' }[String(isMet(figure))]!,
    ]);
  return { head: ['figure', 'median', 'min - max', 'goal', 'met'], rows };
}

/** Formats a table as Markdown with padded columns, so that it is readable in a terminal. */
export function textOf({ head, rows }: Table): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length)),
  );
  const line = (row: string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function goalText({ goal }: Figure): string {
  if (!goal) return '';
  return goal.atLeast === undefined ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
}
