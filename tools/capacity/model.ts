import { ACTIONS } from './figures.js';
import type { Action, Cost, Figures } from './figures.js';
import { LIMITS } from './limits.js';
import type { Limit } from './limits.js';
import type { Usage } from './usage.js';

/*
 * Computes what a number of users needs. It has no input but its arguments. Where the usage is below one instance or one node, the
 * least number that survives the failure of one is given.
 */

const DAY_S = 86_400;
/** How much of a core and of the memory of Redis is used at the peak. The rest is for failures, snapshots and growth. */
const USED = 0.5;
/** An update restarts one instance while the other serves. */
const MIN_INSTANCES = 2;
/** Connections of the pool of one instance: the default of node-postgres. */
const POOL = 10;
/** The default `max_connections` of PostgreSQL, without those for superusers. */
const MAX_CONNECTIONS = 97;
/** The memory of one Redis server. A larger one takes long to copy to its replica. */
const NODE_BYTES = 8e9;
/** A Redis Cluster has at least three masters. */
const MIN_MASTERS = 3;
/** `session.maxAge`: a record stays for as long. Days. */
const SESSION_DAYS = 7;
/** `session.maxPerUser`. */
const SESSIONS_PER_USER = 10;
/** UPLOAD_MAX_FILES. */
const FILES_PER_USER = 200;

/** What a number of users needs. Cores, bytes and rows are whole numbers, rounded up. */
export interface Plan {
  /** Actions on one day, and in the busiest second. */
  perDay: Record<Action, number>;
  perSecond: Record<Action, number>;
  app: { busyCores: number; instances: number };
  redis: {
    sessions: number;
    /** The data, and the memory to plan for it. */
    bytes: number;
    memory: number;
    commands: number;
    masters: number;
    /** With one replica for each master. */
    nodes: number;
  };
  database: {
    queries: number;
    busyCores: number;
    cores: number;
    rows: Record<'users' | 'recordings' | 'orders', number>;
    bytes: number;
    connections: number;
    /** More connections than PostgreSQL has by default. */
    needsPooler: boolean;
  };
  storage: { files: number; bytes: number };
  /** Calls to WeChat and WeChat Pay on one day and in the busiest second. */
  calls: Record<
    'code2Session' | 'mediaCheckAsync' | 'prepay' | 'message',
    { perDay: number; perSecond: number }
  >;
  /** Which part ends first: the limits, and at how many users each is reached. In ascending order. */
  ends: End[];
}

export interface End extends Limit {
  /** What these users need of it. */
  used: number;
  /** The number of users at which the limit is reached. */
  users: number;
}

/** The cost of a number of actions. */
export function costOf(actions: Record<Action, number>, { costs }: Figures): Cost {
  const sum = (part: keyof Cost): number =>
    ACTIONS.reduce((total, action) => total + actions[action] * costs[action][part], 0);
  return {
    app: sum('app'),
    postgres: sum('postgres'),
    redis: sum('redis'),
    queries: sum('queries'),
    commands: sum('commands'),
  };
}

export function actionsOf({ users, dailyActive, requests, logins, uploads, orders }: Usage) {
  const active = users * dailyActive;
  return {
    request: active * requests,
    login: active * logins,
    upload: active * uploads,
    order: active * orders,
  } satisfies Record<Action, number>;
}

/** Bytes of Redis for users who have sessions. Only the first login of a user adds the record of the user. */
export function redisBytesOf(
  { users, logins }: { users: number; logins: number },
  { bytes }: Figures,
): number {
  const first = Math.min(users, logins);
  return first * bytes.firstLogin + (logins - first) * bytes.login;
}

export function planFor(usage: Usage, figures: Figures): Plan {
  const { users, dailyActive, logins, peak } = usage;
  const perDay = actionsOf(usage);
  const perSecond = mapped(perDay, (count) => (count / DAY_S) * peak);
  const load = costOf(perSecond, figures);
  const app = appFor(load, figures);
  const idle = mapped(figures.idle, (cost) => cost * app.instances);
  const week = users * Math.min(1, dailyActive * SESSION_DAYS);
  const sessions = Math.min(users * dailyActive * logins * SESSION_DAYS, week * SESSIONS_PER_USER);
  const redisBytes = redisBytesOf({ users: week, logins: sessions }, figures);
  const memory = redisBytes / USED;
  const masters = mastersFor(memory, load.redis + idle.redis);
  const files = Math.min(perDay.upload * usage.days, users * FILES_PER_USER);
  const orders = perDay.order * usage.days;
  const { bytes } = figures;
  const databaseBytes = users * bytes.user + files * bytes.recording + orders * bytes.order;
  const busy = (load.postgres + idle.postgres) / 1e6;
  const connections = app.instances * POOL;
  const calls = callsOf(perDay, perSecond);
  return {
    perDay: mapped(perDay, Math.ceil),
    perSecond,
    app,
    redis: {
      sessions: Math.ceil(sessions),
      bytes: Math.ceil(redisBytes),
      memory: Math.ceil(memory),
      commands: Math.ceil(load.commands + idle.commands),
      masters,
      nodes: masters * 2,
    },
    database: {
      queries: Math.ceil(load.queries + idle.queries),
      busyCores: busy,
      cores: Math.ceil(busy / USED),
      rows: { users, recordings: Math.ceil(files), orders: Math.ceil(orders) },
      bytes: Math.ceil(databaseBytes),
      connections,
      needsPooler: connections > MAX_CONNECTIONS,
    },
    storage: { files: Math.ceil(files), bytes: Math.ceil(files * usage.recordingKb * 1_000) },
    calls,
    ends: endsOf(users, {
      mediaChecks: perDay.upload,
      mediaChecksPerMinute: perSecond.upload * 60,
      prepays: perSecond.order,
      messages: perDay.order,
      databaseCores: load.postgres / 1e6,
      databaseBytes,
    }),
  };
}

/** An instance is one process, which uses one core. */
function appFor({ app }: Cost, { idle }: Figures): Plan['app'] {
  const busy = app / 1e6;
  const instances = Math.max(MIN_INSTANCES, Math.ceil(busy / (USED - idle.app / 1e6)));
  return { busyCores: busy + (instances * idle.app) / 1e6, instances };
}

function mastersFor(memory: number, cpu: number): number {
  const needed = Math.max(1, Math.ceil(memory / NODE_BYTES), Math.ceil(cpu / 1e6 / USED));
  return needed === 1 ? 1 : Math.max(MIN_MASTERS, needed);
}

function callsOf(perDay: Plan['perDay'], perSecond: Plan['perSecond']): Plan['calls'] {
  const of = (action: Action) => ({
    perDay: Math.ceil(perDay[action]),
    perSecond: perSecond[action],
  });
  return {
    code2Session: of('login'),
    mediaCheckAsync: of('upload'),
    prepay: of('order'),
    message: of('order'),
  };
}

/** All uses are proportional to the users, so a limit is reached at `users` × limit ÷ use. Limits that no number of users reaches are left out. */
function endsOf(users: number, uses: Record<Limit['id'], number>): End[] {
  return LIMITS.map((limit) => {
    const used = uses[limit.id];
    return { ...limit, used, users: Math.floor((users * limit.limit) / used) };
  })
    .filter((end) => end.users <= Number.MAX_SAFE_INTEGER)
    .toSorted((a, b) => a.users - b.users);
}

function mapped<Key extends string>(
  values: Record<Key, number>,
  change: (value: number) => number,
): Record<Key, number> {
  const entries = Object.entries<number>(values).map(([key, value]) => [key, change(value)]);
  return Object.fromEntries(entries) as Record<Key, number>;
}
