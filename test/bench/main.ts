import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { FULL, QUICK, say } from './bench.js';
import type { Scale } from './bench.js';
import { writeDocs } from './docs.js';
import { isMet, listOf, textOf } from './figures.js';
import type { Figure, Findings } from './figures.js';
import { BUSY, countStolenCores, describeMachine, hasRedis, hasWrk } from './machine.js';
import type { Machine } from './machine.js';
import { appSuite } from './suites/app.js';
import { capacitySuite } from './suites/capacity.js';
import { decryptSuite } from './suites/decrypt.js';
import { filesSuite } from './suites/files.js';
import { growthSuite } from './suites/growth.js';
import { guardSuite } from './suites/guard.js';
import { logSuite } from './suites/log.js';
import { loginSuite } from './suites/login.js';
import { memorySuite } from './suites/memory.js';
import { paySuite } from './suites/pay.js';
import { pushSuite } from './suites/push.js';
import { soakSuite } from './suites/soak.js';
import { startSuite } from './suites/start.js';
import { tablesSuite } from './suites/tables.js';
import { tokenSuite } from './suites/token.js';

const SUITES: Record<string, (scale: Scale) => Promise<Findings>> = {
  guard: guardSuite,
  app: appSuite,
  log: logSuite,
  login: loginSuite,
  decrypt: decryptSuite,
  token: tokenSuite,
  memory: memorySuite,
  growth: growthSuite,
  start: startSuite,
  soak: soakSuite,
  pay: paySuite,
  push: pushSuite,
  capacity: capacitySuite,
  tables: tablesSuite,
  files: filesSuite,
};
/** Suites that need Redis: without it their processes share no store, so there is nothing to measure. */
const NEEDS_REDIS = ['token', 'memory'];

const USAGE = `npm run bench -- [--quick] [--only ${Object.keys(SUITES).join(',')}] [--json FILE] [--docs]
       npm run bench -- --from FILE,FILE --docs

  --quick    a smoke run: one short round, no figure worth quoting
  --only     some of the suites
  --json     writes the figures
  --from     reads figures of earlier runs, and measures nothing
  --docs     writes the table and the chart of docs/performance.md`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(SUITES).join(',') },
    json: { type: 'string' },
    from: { type: 'string' },
    docs: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(`${USAGE}\n`);
else if (options.from)
  await writeDocs((await Promise.all(options.from.split(',').map(read))).flat());
else await bench(chosen());

function chosen(): string[] {
  const names = options.only.split(',');
  const unknown = names.find((name) => !(name in SUITES));
  if (unknown !== undefined) throw new Error(`No suite is called ${unknown}.\n\n${USAGE}`);
  return names;
}

async function read(file: string): Promise<Figure[]> {
  return (JSON.parse(await readFile(file, 'utf8')) as Findings).figures;
}

async function bench(names: string[]): Promise<void> {
  const described = await describeMachine();
  warn(described);
  const started = performance.now();
  const stolenCores = countStolenCores();
  const found = await measureAll(names);
  const date = new Date().toISOString().slice(0, 10);
  const stolen = stolenCores() ?? 'unknown';
  const machine = { date, ...described, stolen, quick: options.quick };
  process.stdout.write(`${[machineText(machine), ...reportOf(found)].join('\n\n')}\n`);
  say(`${Math.round((performance.now() - started) / 1_000)} s`);
  const figures = found.figures.map((figure) => ({ ...figure, met: isMet(figure) }));
  if (options.json)
    await writeFile(
      options.json,
      `${JSON.stringify({ machine, figures, tables: found.tables }, null, 2)}\n`,
    );
  if (options.docs) await writeDocs(found.figures);
}

function warn({ othersBusy }: Machine): void {
  if (othersBusy > BUSY) say('THIS MACHINE IS BUSY: other processes distort the figures.');
  if (!hasRedis)
    say(
      'NO redis-server ON THIS MACHINE: suites that need Redis are SKIPPED, and the others keep sessions in memory.',
    );
  if (!hasWrk)
    say(
      'No wrk on this machine: autocannon creates the load, and uses about as much CPU time as a server.',
    );
}

interface Report extends Required<Findings> {
  /** Names of suites that failed. */
  failed: string[];
}

async function measureAll(names: string[]): Promise<Report> {
  const all: Report = { figures: [], tables: [], failed: [] };
  for (const name of names) {
    if (!hasRedis && NEEDS_REDIS.includes(name)) continue;
    try {
      const { figures, tables = [] } = await SUITES[name]!(options.quick ? QUICK : FULL);
      all.figures.push(...figures);
      all.tables.push(...tables);
    } catch (error) {
      // Continues, so that the results of earlier suites are kept.
      say(`SUITE FAILED, ${name}: ${(error as Error).stack}`);
      process.exitCode = 1;
      all.failed.push(name);
    }
  }
  return all;
}

function machineText(machine: object): string {
  return Object.entries(machine)
    .map(([name, value]) => `${name}: ${String(value)}`)
    .join(', ');
}

function reportOf({ figures, tables, failed }: Report): string[] {
  const missed = figures.filter((figure) => isMet(figure) === false).map(({ id }) => id);
  const verdicts = [
    missed.length > 0 && `Missed: ${missed.join(', ')}.`,
    failed.length > 0 && `Failed suites, whose goals were not measured: ${failed.join(', ')}.`,
  ].filter((verdict) => verdict !== false);
  return [
    ...tables.map(textOf),
    textOf(listOf(figures)),
    verdicts.join('\n') || 'Every goal is met.',
  ];
}
