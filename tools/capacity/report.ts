import type { Limit } from './limits.js';
import type { FiguresFile } from './figures.js';
import type { End, Plan } from './model.js';
import type { Usage } from './usage.js';

export type Language = 'en' | 'zh';

interface Words {
  users: string;
  peakRequests: string;
  instances: string;
  appCores: string;
  redisMemory: string;
  redisNodes: string;
  redisCommands: string;
  queries: string;
  databaseCores: string;
  databaseSize: string;
  connections: string;
  pooler: string;
  storage: string;
  logins: string;
  mediaChecks: string;
  prepays: string;
  messages: string;
  ends: string;
  /** Follows an amount that is above a limit. */
  over: string;
  rates: (perSecond: string, perDay: string) => string;
  perSecond: (count: string) => string;
  sessions: (count: string) => string;
  nodes: (masters: number, nodes: number) => string;
  at: (limit: string, users: string) => string;
  limits: Record<Limit['id'], string>;
}

const WORDS: Record<Language, Words> = {
  en: {
    users: 'users',
    peakRequests: 'requests in the busiest second',
    instances: 'instances of the app, one core each',
    appCores: 'busy cores of the app at the peak',
    redisMemory: 'Redis memory to plan',
    redisNodes: 'Redis servers',
    redisCommands: 'Redis commands at the peak',
    queries: 'statements to PostgreSQL at the peak',
    databaseCores: 'PostgreSQL cores',
    databaseSize: 'database with indexes',
    connections: 'connections to PostgreSQL',
    pooler: ', with PgBouncer',
    storage: 'files of recordings',
    logins: '`code2Session`: no published quota of the app',
    mediaChecks: '`mediaCheckAsync`, if `CONTENT_CHECK=on`: 200,000 a day',
    prepays: 'WeChat Pay prepay: about 500 a second (uncertain)',
    messages: 'subscribe messages: 30 million a day with payment',
    ends: 'ends first',
    over: ': over the limit',
    rates: (perSecond, perDay) => `${perSecond}/s, ${perDay} a day`,
    perSecond: (count) => `${count}/s`,
    sessions: (count) => `${count} sessions`,
    nodes: (masters, nodes) =>
      masters === 1 ? '1 and a replica' : `${nodes}: a cluster of ${masters} masters with replicas`,
    at: (limit, users) => `${limit}, at ${users} users`,
    limits: {
      mediaChecks: '`mediaCheckAsync` per day',
      mediaChecksPerMinute: '`mediaCheckAsync` per minute',
      prepays: 'prepays per second',
      messages: 'subscribe messages per day',
      databaseCores: 'cores of one PostgreSQL server',
      databaseBytes: 'size of one database',
    },
  },
  zh: {
    users: '用户数',
    peakRequests: '最忙的一秒的请求数',
    instances: '应用实例数，每个一核',
    appCores: '高峰时应用占用的核数',
    redisMemory: '准备的 Redis 内存',
    redisNodes: 'Redis 服务器',
    redisCommands: '高峰时的 Redis 命令数',
    queries: '高峰时的 PostgreSQL 语句数',
    databaseCores: 'PostgreSQL 核数',
    databaseSize: '数据库大小，含索引',
    connections: 'PostgreSQL 连接数',
    pooler: '，使用 PgBouncer',
    storage: '录音文件',
    logins: '`code2Session`：没有公布整个应用的额度',
    mediaChecks: '`mediaCheckAsync`（`CONTENT_CHECK=on` 时）：每天 20 万次',
    prepays: '微信支付下单：每秒约 500 次（不确定）',
    messages: '订阅消息：开通支付的每天 3000 万条',
    ends: '最先到达上限',
    over: '：超过上限',
    rates: (perSecond, perDay) => `每秒 ${perSecond}，每天 ${perDay}`,
    perSecond: (count) => `每秒 ${count}`,
    sessions: (count) => `${count} 个会话`,
    nodes: (masters, nodes) =>
      masters === 1 ? '1 台，另有一个从库' : `${nodes} 台：${masters} 个主节点的集群，各有一个从库`,
    at: (limit, users) => `${limit}，用户数 ${users} 时`,
    limits: {
      mediaChecks: '`mediaCheckAsync` 每天的次数',
      mediaChecksPerMinute: '`mediaCheckAsync` 每分钟的次数',
      prepays: '每秒下单数',
      messages: '每天的订阅消息数',
      databaseCores: '一台 PostgreSQL 服务器的核数',
      databaseBytes: '一个数据库的大小',
    },
  },
};

/** The lines of a plan: what it is, and how much. */
function linesOf(plan: Plan, language: Language): [string, string][] {
  const words = WORDS[language];
  const { app, redis, database, storage, calls, perSecond } = plan;
  const requests = Object.values(perSecond).reduce((sum, rate) => sum + rate, 0);
  const call = ({ perDay, perSecond: rate }: Plan['calls']['prepay']): string =>
    words.rates(rateText(rate), countText(perDay));
  const over = (...ids: Limit['id'][]): string =>
    plan.ends.some(({ id, used, limit }) => ids.includes(id) && used > limit) ? words.over : '';
  const [first] = plan.ends;
  return [
    [words.peakRequests, countText(Math.ceil(requests))],
    [words.instances, countText(app.instances)],
    [words.appCores, rateText(app.busyCores)],
    [
      words.redisMemory,
      `${bytesText(redis.memory)} (${words.sessions(countText(redis.sessions))})`,
    ],
    [words.redisNodes, words.nodes(redis.masters, redis.nodes)],
    [words.redisCommands, words.perSecond(countText(redis.commands))],
    [words.queries, words.perSecond(countText(database.queries))],
    [words.databaseCores, countText(database.cores) + over('databaseCores')],
    [words.databaseSize, bytesText(database.bytes) + over('databaseBytes')],
    [
      words.connections,
      `${countText(database.connections)}${database.needsPooler ? words.pooler : ''}`,
    ],
    [words.storage, `${bytesText(storage.bytes)} (${countText(storage.files)})`],
    [words.logins, call(calls.code2Session)],
    [words.mediaChecks, call(calls.mediaCheckAsync) + over('mediaChecks', 'mediaChecksPerMinute')],
    [words.prepays, call(calls.prepay) + over('prepays')],
    [words.messages, call(calls.message) + over('messages')],
    [words.ends, first ? endText(first, words) : '-'],
  ];
}

const endText = ({ id, users }: End, { limits, at }: Words): string =>
  at(limits[id], countText(users));

/** What the command prints. */
export function reportOf(usage: Usage, plan: Plan, { machine }: FiguresFile): string {
  const settings = Object.entries(usage).map(([name, value]) => `${name} ${countText(value)}`);
  const lines = linesOf(plan, 'en').map(([what, amount]): [string, string] => [
    what.replaceAll('`', ''),
    amount.replaceAll('`', ''),
  ]);
  const width = Math.max(...lines.map(([what]) => what.length));
  const ends = plan.ends.map(
    ({ id, limit, used, users, page, isUncertain }) =>
      `  ${countText(users).padStart(16)} users  ${WORDS.en.limits[id].replaceAll('`', '')}: ${rateText(used)} of ${countText(limit)}${isUncertain ? ' (uncertain)' : ''}, ${page ?? 'an assumption about a large server'}`,
  );
  return [
    settings.join(', '),
    `measured on: ${Object.entries(machine)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ')}`,
    '',
    ...lines.map(([what, amount]) => `${what.padEnd(width)}  ${amount}`),
    '',
    'Limits, and the number of users that reaches them:',
    ...ends,
    '',
  ].join('\n');
}

/** A Markdown table with a column for each plan. */
export function tableOf(plans: { users: number; plan: Plan }[], language: Language): string {
  const head = [WORDS[language].users, ...plans.map(({ users }) => countText(users))];
  const columns = plans.map(({ plan }) => linesOf(plan, language));
  const rows = (columns[0] ?? []).map(([what], i) => [
    what,
    ...columns.map((lines) => lines[i]?.[1] ?? ''),
  ]);
  return [rowOf(head), `|${'---|'.repeat(head.length)}`, ...rows.map(rowOf)].join('\n');
}

const rowOf = (cells: string[]): string => `| ${cells.join(' | ')} |`;

const TABLE = /(<!-- capacity: table -->\n).*?(\n<!-- capacity: end -->)/s;

/** The page with the current table. */
export function withTable(page: string, table: string): string {
  return page.replace(TABLE, (_, start: string, end: string) => start + table + end);
}

/** Decimal units, as of disks and networks. */
function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${rateText(bytes / 1_000 ** power)} ${units[power]}`;
}

const countText = (count: number): string => count.toLocaleString('en');

/** Three digits. */
function rateText(value: number): string {
  return value >= 100 ? countText(Math.round(value)) : String(Number(value.toPrecision(2)));
}
