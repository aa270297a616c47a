/** Least, middle and greatest of what several rounds gave. */
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
}

export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)]!;
  return { min: at(0), median: (at(0.5) + sorted[Math.ceil((sorted.length - 1) * 0.5)]!) / 2, max: at(1) };
}

/** The goals speak of medians. */
export function isMet({ goal, spread }: Figure): boolean | undefined {
  if (!goal) return undefined;
  return spread.median >= (goal.atLeast ?? -Infinity) && spread.median <= (goal.atMost ?? Infinity);
}

export function numberText(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

/** Markdown, which reads well in a terminal, too. */
export function tableOf(figures: Figure[]): string {
  const head = ['figure', 'median', 'min - max', 'goal', 'met'];
  const rows = figures.map((figure) => [
    figure.label,
    `${numberText(figure.spread.median)}${figure.unit ? ` ${figure.unit}` : ''}`,
    figure.spread.min === figure.spread.max ? '' : `${numberText(figure.spread.min)} - ${numberText(figure.spread.max)}`,
    goalText(figure),
    { true: 'yes', false: '**no**', undefined: '' }[String(isMet(figure))]!,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const line = (row: string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function goalText({ goal }: Figure): string {
  if (!goal) return '';
  return goal.atLeast === undefined ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
}
