import { randomBytes } from 'node:crypto';
import { say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { BODY } from '../body.js';
import { Child } from '../child.js';
import { spreadOf } from '../figures.js';
import type { Figure } from '../figures.js';
import type { Load, Order } from '../load.js';
import type { StackName } from '../stacks.js';

/** What one server did in one round. */
interface Slot extends Load {
  cpuPerRequest: number;
}

const OPEN: StackName[] = ['bare', 'public'];
const CLOSED: StackName[] = ['guarded', 'passport', 'sealedFloor', 'nestJwt', 'fastifyJwt', 'passportJwt'];
const NEEDS_REDIS: StackName[] = ['sealedFloor'];
const GARBAGE = 'garbage';

type SlotName = StackName | typeof GARBAGE;
type Round = Partial<Record<SlotName, Slot>>;

/** The guarded request beside its alternatives, on Fastify. */
export async function httpSuite(scale: Scale): Promise<Figure[]> {
  return withRedis(async (redis) => {
    const slots = [...OPEN, ...CLOSED, GARBAGE].filter((name) => redis || !NEEDS_REDIS.includes(name as StackName)) as SlotName[];
    const rounds: Round[] = [];
    for (let round = 0; round < scale.rounds; round++) {
      say(`  http, round ${round + 1} of ${scale.rounds}`);
      rounds.push(await measureRound(rotated(slots, round * 2), redis?.url, scale));
    }
    return figuresOf(rounds);
  });
}

/** A machine gets slower and faster while it runs; nobody is always first. */
function rotated<T>(list: T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

async function measureRound(slots: SlotName[], redis: string | undefined, scale: Scale): Promise<Round> {
  const round: Round = {};
  for (const slot of slots) round[slot] = await onceMore(slot, () => measureSlot(slot, redis, scale));
  return round;
}

/** A busy machine makes Redis miss the library's deadline; such a slot says nothing, and is measured anew, once. */
export function onceMore<T>(slot: string, work: () => Promise<T>): Promise<T> {
  return work().catch((error: Error) => {
    say(`  MEASURED ANEW, ${slot}: ${error.message.split('\n')[0]}`);
    return work();
  });
}

async function measureSlot(slot: SlotName, redis: string | undefined, { tokens, warmUp, seconds }: Scale): Promise<Slot> {
  const stack = slot === GARBAGE ? 'guarded' : slot;
  const server = Child.start('server', { args: [stack, { redis }] });
  const load = Child.start('load');
  try {
    const open = await server.ask<{ url: string; tokens: string[] }>('open', tokens);
    await checkAnswers(stack, open);
    const sent = slot === GARBAGE ? open.tokens.map((token, i) => (i % 10 === 0 ? invented() : token)) : open.tokens;
    const order: Order = { url: open.url, requests: sent.map((token) => ({ path: '/hello', headers: bearer(token) })) };
    await load.ask('run', { ...order, seconds: warmUp });
    const result = await measured(server, () => load.ask<Load>('run', { ...order, seconds }));
    if (slot !== GARBAGE && result.bad > 0) throw new Error(`${slot}: a good token was refused`);
    return result;
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}

/** Adds what the server's process spent. */
export async function measured(server: Child, run: () => Promise<Load>): Promise<Slot> {
  const before = await server.ask<number>('cpu');
  const load = await run();
  return { ...load, cpuPerRequest: ((await server.ask<number>('cpu')) - before) / load.answers };
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** As long as a token of ours and as hard to tell from one. */
export function invented(): string {
  return `srd_${randomBytes(32).toString('base64url')}`;
}

const EXPECTED = JSON.stringify(BODY);

/** A guard that lets everybody in is fast. */
async function checkAnswers(stack: StackName, { url, tokens }: { url: string; tokens: string[] }): Promise<void> {
  const get = async (token?: string): Promise<string> => {
    const answer = await fetch(`${url}/hello`, { headers: token === undefined ? {} : bearer(token) });
    return answer.status === 200 ? await answer.text() : String(answer.status);
  };
  const stranger = OPEN.includes(stack) ? EXPECTED : '401';
  const tampered = tokens[0]!.replace(/.{4}(.)$/, (end) => `${end.startsWith('AAAA') ? 'BBBB' : 'AAAA'}${end.slice(-1)}`);
  const found = [await get(), await get(tampered), await get(tokens[0]), await get(tokens.at(-1))];
  if (found.join() !== [stranger, stranger, EXPECTED, EXPECTED].join()) throw new Error(`${stack} answers wrongly: ${found.join(' ')}`);
}

function figuresOf(rounds: Round[]): Figure[] {
  const ratio = (over: SlotName, under: SlotName, of: (slot: Slot) => number): number[] =>
    rounds.flatMap(({ [over]: a, [under]: b }) => (a && b ? [of(a) / of(b)] : []));
  const figure = (id: string, label: string, values: number[], goal?: Figure['goal']): Figure[] =>
    values.length === 0 ? [] : [{ id, label, suite: 'http', spread: spreadOf(values), goal }];
  const good = ({ good: perSecond }: Slot): number => perSecond;
  const cpu = ({ cpuPerRequest }: Slot): number => cpuPerRequest;
  const serverBusy = (slot: Slot): number => (slot.cpuPerRequest * (slot.good + slot.bad)) / 1_000_000;
  const p99 = (slot: Slot): number => slot.p99;
  const own = (name: SlotName, of: (slot: Slot) => number): number[] => rounds.flatMap(({ [name]: slot }) => (slot ? [of(slot)] : []));
  return [
    ...figure('public/bare', "the library's public route ÷ bare Nest route", ratio('public', 'bare', good), { atLeast: 0.97 }),
    ...figure('guarded/public', 'guarded (SessionGuard) ÷ public', ratio('guarded', 'public', good), { atLeast: 0.9 }),
    ...figure('guarded/public p99', 'the same, p99', ratio('guarded', 'public', p99), { atMost: 1.3 }),
    ...figure('guarded/public cpu', 'the same, CPU time per request', ratio('guarded', 'public', cpu), { atMost: 1.2 }),
    ...figure('guarded/bare', 'guarded ÷ bare Nest route', ratio('guarded', 'bare', good)),
    ...figure('passport/public', 'guarded through Passport (WechatAuthGuard) ÷ public', ratio('passport', 'public', good), {
      atLeast: 0.75,
    }),
    ...figure('guarded/sealedFloor', 'guarded ÷ sealed floor that opens each time', ratio('guarded', 'sealedFloor', good), {
      atLeast: 1.2,
    }),
    ...figure('guarded/passportJwt', 'guarded ÷ passport-jwt, KeyObject', ratio('guarded', 'passportJwt', good), { atLeast: 2 }),
    ...figure('guarded/nestJwt', 'guarded ÷ @nestjs/jwt guard, KeyObject', ratio('guarded', 'nestJwt', good)),
    ...figure('guarded/fastifyJwt', 'guarded ÷ @fastify/jwt', ratio('guarded', 'fastifyJwt', good), { atLeast: 1.8 }),
    ...figure('garbage', '10 % invented tokens: good answers ÷ clean', ratio(GARBAGE, 'guarded', good), { atLeast: 0.85 }),
    ...[...CLOSED, ...OPEN].flatMap((name) =>
      figure(`bare/${name} cpu`, `bare ÷ ${name}, CPU time per request`, name === 'bare' ? [] : ratio('bare', name, cpu)),
    ),
    ...figure('passportJwt/guarded cpu', 'passport-jwt ÷ guarded, CPU time per request', ratio('passportJwt', 'guarded', cpu)),
    ...figure('fastifyJwt/guarded cpu', '@fastify/jwt ÷ guarded, CPU time per request', ratio('fastifyJwt', 'guarded', cpu)),
    ...figure(
      'load bare',
      'cores that the load generator kept busy, bare route',
      own('bare', (slot) => slot.busy),
    ),
    ...figure(
      'load guarded',
      'cores that the load generator kept busy, guarded',
      own('guarded', (slot) => slot.busy),
    ),
    ...figure('server bare', 'cores that the server kept busy, bare route', own('bare', serverBusy)),
    ...figure('server guarded', 'cores that the server kept busy, guarded', own('guarded', serverBusy)),
    ...[...OPEN, ...CLOSED].flatMap((name) => figure(`${name} of bare`, `${name} ÷ bare`, ratio(name, 'bare', good))),
    ...[...OPEN, ...CLOSED].flatMap((name) => figure(`${name} µs`, `${name}: CPU per request, µs`, own(name, cpu))),
  ];
}
