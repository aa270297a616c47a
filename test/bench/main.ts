import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { FULL, hasRedis, QUICK, say, withRedis } from './bench.js';
import type { Scale } from './bench.js';
import { chartOf } from './chart.js';
import { isMet, tableOf } from './figures.js';
import type { Figure } from './figures.js';
import { httpSuite } from './suites/http.js';
import { piecesSuite } from './suites/pieces.js';
import { redisSuite } from './suites/redis.js';
import type { KeyCost } from './suites/redis.js';
import { tokenSuite } from './suites/token.js';

const USAGE = `npm run bench -- [--quick] [--million] [--only http,redis,pieces,token] [--json FILE] [--svg FILE]

  --quick    a smoke run: one short round, no figure worth quoting
  --million  finds among a million sessions, and the heap over a million finds; some minutes more
  --only     some of the suites
  --json     writes the figures
  --svg      writes the chart`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    million: { type: 'boolean', default: false },
    only: { type: 'string', default: 'http,redis,pieces,token' },
    json: { type: 'string' },
    svg: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(`${USAGE}\n`);
else await bench();

async function bench(): Promise<void> {
  if (!hasRedis)
    say('NO redis-server ON THIS MACHINE: sessions lie in memory, and what concerns Redis is SKIPPED. No figure here is one of Redis.');
  const started = performance.now();
  const { figures, keys } = await measureAll(options.only.split(','), scaleOf());
  process.stdout.write(`${reportOf(figures, keys)}\n`);
  say(`${Math.round((performance.now() - started) / 1_000)} s`);
  if (options.json) await writeFile(options.json, `${JSON.stringify(documentOf(figures, keys), null, 2)}\n`);
  if (options.svg) await writeFile(options.svg, chartOf(figures));
}

function scaleOf(): Scale {
  const scale = options.quick ? QUICK : FULL;
  return options.million ? { ...scale, sessions: 1_000_000, finds: 1_000_000 } : scale;
}

async function measureAll(suites: string[], scale: Scale): Promise<{ figures: Figure[]; keys: KeyCost[] }> {
  const figures: Figure[] = [];
  let keys: KeyCost[] = [];
  if (suites.includes('redis') && hasRedis) {
    const found = await withRedis((redis) => redisSuite(redis!));
    figures.push(...found.figures);
    ({ keys } = found);
  }
  if (suites.includes('token') && hasRedis) figures.push(...(await tokenSuite(scale.rounds)));
  if (suites.includes('pieces')) figures.push(...(await piecesSuite(scale)));
  if (suites.includes('http')) figures.push(...(await httpSuite(scale)));
  return { figures, keys };
}

function reportOf(figures: Figure[], keys: KeyCost[]): string {
  const missed = figures.filter((figure) => isMet(figure) === false);
  const cost = keys.map(
    ({ key, keyBytes, valueBytes, overhead, total }) => `| ${key} | ${keyBytes} | ${valueBytes} | ${overhead} | ${total} |`,
  );
  const costs = ['| key | its name | its value | added by Redis | bytes |', '|---|---|---|---|---|', ...cost].join('\n');
  const verdict = missed.length === 0 ? 'Every goal is met.' : `Missed: ${missed.map(({ id }) => id).join(', ')}.`;
  return [tableOf(figures), ...(keys.length > 0 ? [costs] : []), verdict].join('\n\n');
}

function documentOf(figures: Figure[], keys: KeyCost[]): object {
  const machine = { node: process.version, cores: cpus().length, redis: hasRedis, quick: options.quick };
  return { machine, figures: figures.map((figure) => ({ ...figure, met: isMet(figure) })), keys };
}
