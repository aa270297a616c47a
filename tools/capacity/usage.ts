import { parseArgs } from 'node:util';

/** How many people use the app, and what they do. */
export interface Usage {
  /** Registered accounts. */
  users: number;
  /** The share of them that uses the app on one day, above 0 to 1. */
  dailyActive: number;
  /** The requests of the busiest second ÷ those of a mean second of the day. */
  peak: number;
  /** Per active user and day: guarded requests, logins, uploaded recordings, orders that are paid. */
  requests: number;
  logins: number;
  uploads: number;
  orders: number;
  /** Mean size of a recording, in kB. */
  recordingKb: number;
  /** How many days of recordings and orders are stored. */
  days: number;
}

interface Setting {
  name: keyof Usage;
  byDefault: number;
  min: number;
  max: number;
  isWhole?: boolean;
  about: string;
}

const SETTINGS: Record<string, Setting> = {
  users: {
    name: 'users',
    byDefault: 1_000_000,
    min: 1,
    max: 10_000_000_000,
    isWhole: true,
    about: 'registered accounts',
  },
  'daily-active': {
    name: 'dailyActive',
    byDefault: 0.2,
    min: 0.0001,
    max: 1,
    about: 'the share of them that is active on one day',
  },
  peak: {
    name: 'peak',
    byDefault: 5,
    min: 1,
    max: 100,
    about: 'requests of the busiest second ÷ mean of the day',
  },
  requests: {
    name: 'requests',
    byDefault: 20,
    min: 0,
    max: 100_000,
    about: 'guarded requests of an active user and day',
  },
  logins: {
    name: 'logins',
    byDefault: 1,
    min: 0,
    max: 1_000,
    about: 'logins of an active user and day',
  },
  uploads: {
    name: 'uploads',
    byDefault: 0.1,
    min: 0,
    max: 1_000,
    about: 'uploaded recordings of an active user and day',
  },
  orders: {
    name: 'orders',
    byDefault: 0.05,
    min: 0,
    max: 1_000,
    about: 'paid orders of an active user and day',
  },
  'recording-kb': {
    name: 'recordingKb',
    byDefault: 300,
    min: 1,
    max: 20_480,
    about: 'mean size of a recording, in kB',
  },
  days: {
    name: 'days',
    byDefault: 365,
    min: 1,
    max: 36_500,
    isWhole: true,
    about: 'days of recordings and orders that are stored',
  },
};

export const DEFAULTS = Object.fromEntries(
  Object.values(SETTINGS).map(({ name, byDefault }) => [name, byDefault]),
) as unknown as Usage;

/** Wrong arguments. The message is one sentence. */
export class UsageError extends Error {}

/** What the command is to do. */
export interface Command {
  usage: Usage;
  help: boolean;
  /** Writes the tables of the documents. */
  docs: boolean;
  /** Files of `npm run bench -- --json` from which the figures are taken. */
  from?: string[];
}

export const HELP = `npm run capacity -- [settings]

Computes what a number of users needs, from the figures in etc/capacity-figures.json.

${Object.entries(SETTINGS)
  .map(
    ([flag, { about, byDefault }]) =>
      `  --${flag.padEnd(14)}${about} (default ${byDefault.toLocaleString('en')})`,
  )
  .join('\n')}

  --from FILE,FILE  takes the figures from files of npm run bench -- --only capacity,tables --json FILE
  --docs            writes the tables of docs/capacity.md and docs/zh-CN/capacity.md
  --help

npm run capacity:day runs a simulated day against the reference app, and compares it with this model.
`;

/** @throws UsageError */
export function readCommand(args: string[]): Command {
  const { from, docs = false, help = false, ...given } = parsed(args);
  const usage = Object.entries(SETTINGS).map(([flag, setting]) => {
    const text = given[flag];
    return [setting.name, typeof text === 'string' ? read(flag, setting, text) : setting.byDefault];
  });
  return {
    usage: Object.fromEntries(usage) as Usage,
    help: help === true,
    docs: docs === true,
    ...(typeof from === 'string' && { from: from.split(',') }),
  };
}

function parsed(args: string[]): Record<string, unknown> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, text]));
  try {
    return parseArgs({ args, options: { ...options, from: text, docs: flag, help: flag } }).values;
  } catch (error) {
    const [problem = ''] = (error as Error).message.split(/[.\n]/);
    throw new UsageError(`${problem}. See: npm run capacity -- --help`);
  }
}

function read(flag: string, { min, max, isWhole }: Setting, text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
  const kind = isWhole ? 'a whole number' : 'a number';
  throw new UsageError(
    `--${flag} must be ${kind} from ${min} to ${max.toLocaleString('en', { useGrouping: false })}, not ${JSON.stringify(text)}.`,
  );
}
