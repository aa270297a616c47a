import { readFileSync } from 'node:fs';

/** What a user does. `request`: `GET /me`. `order`: an order that is made and paid. */
export const ACTIONS = ['request', 'login', 'upload', 'order'] as const;
export type Action = (typeof ACTIONS)[number];

/** What an action, or a second of an idle instance, costs. CPU time of each process in microseconds. */
export interface Cost {
  app: number;
  postgres: number;
  redis: number;
  /** Statements to PostgreSQL, BEGIN and COMMIT included. */
  queries: number;
  /** Commands to Redis. */
  commands: number;
}

/** What the model computes with. */
export interface Figures {
  costs: Record<Action, Cost>;
  /** Per second and instance. */
  idle: Cost;
  /** Bytes in PostgreSQL with indexes (`user`: with its identity; `recording`: with its content), and in Redis. */
  bytes: Record<'user' | 'recording' | 'order' | 'firstLogin' | 'login', number>;
}

/** A figure as it is in the file. */
export interface Measured {
  value: number;
  unit: string;
  /** How it was measured. */
  measured: string;
}

/** The file of figures. */
export interface FiguresFile {
  /** The machine of the benchmark, with the date. */
  machine: Record<string, unknown>;
  figures: Record<string, Measured>;
}

const COSTS = ['app', 'postgres', 'redis', 'queries', 'commands'] as const;
const BYTES = {
  user: 'bytes user',
  recording: 'bytes recording',
  order: 'bytes order',
  firstLogin: 'capacity first login bytes',
  login: 'capacity login bytes',
} as const;

/** The ids of all figures of the model. */
export const IDS: string[] = [
  ...[...ACTIONS, 'idle'].flatMap((action) => COSTS.map((cost) => idOf(action, cost))),
  ...Object.values(BYTES),
];

export function readFigures(file: string): FiguresFile {
  return JSON.parse(readFileSync(file, 'utf8')) as FiguresFile;
}

/** @throws Error if a figure is missing */
export function figuresOf({ figures }: Pick<FiguresFile, 'figures'>): Figures {
  const valueOf = (id: string): number => {
    const value = figures[id]?.value;
    if (value !== undefined) return value;
    throw new Error(
      `The figure "${id}" is missing. Measure it with: npm run bench -- --only capacity,tables --json FILE`,
    );
  };
  const costOf = (action: string): Cost =>
    Object.fromEntries(COSTS.map((cost) => [cost, valueOf(idOf(action, cost))])) as unknown as Cost;
  return {
    costs: Object.fromEntries(
      ACTIONS.map((action) => [action, costOf(action)]),
    ) as Figures['costs'],
    idle: costOf('idle'),
    bytes: Object.fromEntries(
      Object.entries(BYTES).map(([name, id]) => [name, valueOf(id)]),
    ) as Figures['bytes'],
  };
}

/** A file that `npm run bench -- --json` has written. */
export interface Findings {
  machine: Record<string, unknown>;
  figures: { id: string; label: string; unit?: string; spread: { median: number } }[];
}

/**
 * Takes the figures of the model from files of the benchmark. A later file replaces the figures of an earlier one.
 * @throws Error if a figure is missing
 */
export function takeFigures(findings: Findings[]): FiguresFile {
  const all = findings.flatMap(({ figures }) => figures).filter(({ id }) => IDS.includes(id));
  const figures = Object.fromEntries(
    all.map(({ id, label, unit = '', spread }): [string, Measured] => [
      id,
      { value: Number(spread.median.toPrecision(4)), unit, measured: label },
    ]),
  );
  figuresOf({ figures });
  return { machine: findings.at(-1)?.machine ?? {}, figures };
}

function idOf(action: string, cost: string): string {
  return `capacity ${action} ${cost}`;
}
