import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { wav } from '../support/audio.js';
import { until } from '../support/redis.js';
import type { Site } from './site.js';
import { Visitor } from './visitor.js';

const KINDS = ['login', 'guarded', 'upload', 'download', 'payment', 'notification'] as const;
type Kind = (typeof KINDS)[number];

/** What became of the requests of one kind. The retries are those that the client documents. */
interface Figure {
  /** At the first attempt. */
  ok: number;
  /** At a later attempt. */
  retried: number;
  failures: Failure[];
}

interface Failure {
  /** As `performance.now()`. */
  startedAt: number;
  reason: string;
}

export type Figures = Record<Kind, Figure>;

/** What one user does again and again. Resolves with the number of requests that it takes without a retry. */
type Act = (visitor: Visitor) => Promise<number>;

interface Worker {
  kind: Kind;
  users: number;
  pauseMs: number;
  /** Whether each act has a new user. @default false */
  isNewUser?: boolean;
  act: Act;
}

/** A second of it has 8,000 bytes. */
const SOUND = wav(10_000);
const RANGE = { from: 10_000, to: 59_999 };
/** After them WeChat Pay has made its second and third attempt of a notification, by the clock of the sandbox. */
const REPEATS = '31s';

const guarded: Act = async ({ session }) => {
  await session.request({ url: '/me' });
  return 1;
};

const login: Act = async ({ session }) => {
  await session.login();
  return 1;
};

const upload: Act = async (visitor) => {
  await visitor.upload(SOUND);
  return 1;
};

const download: Act = async (visitor) => {
  const isFirst = visitor.recordingId === undefined;
  const id = (visitor.recordingId ??= await visitor.upload(SOUND));
  const { from, to } = RANGE;
  const path = await visitor.session.downloadFile({
    url: `/recordings/${id}/content`,
    header: { Range: `bytes=${from}-${to}` },
  });
  const bytes = visitor.phone.files.get(path);
  if (!bytes || Buffer.compare(bytes, SOUND.subarray(from, to + 1)) !== 0)
    throw new Error('The range has other bytes.');
  return isFirst ? 2 : 1;
};

const payment: Act = async (visitor) => {
  const order = await visitor.order(randomUUID());
  const { status } = await visitor.session.pay(order);
  if (status !== 'paid') throw new Error(`The order is ${status}.`);
  return 3;
};

const WORKERS: Worker[] = [
  { kind: 'guarded', users: 3, pauseMs: 50, act: guarded },
  { kind: 'login', users: 2, pauseMs: 200, isNewUser: true, act: login },
  { kind: 'upload', users: 1, pauseMs: 200, act: upload },
  { kind: 'download', users: 1, pauseMs: 100, act: download },
  { kind: 'payment', users: 1, pauseMs: 200, act: payment },
];

/** Mini programs that use a site until `stop`. */
export class Load {
  private readonly figures = Object.fromEntries(
    KINDS.map((kind): [Kind, Figure] => [kind, { ok: 0, retried: 0, failures: [] }]),
  ) as Figures;
  private readonly stopping = new AbortController();
  private readonly workers: Promise<void>[];
  private readonly deliveriesBefore: number;

  private constructor(private readonly site: Site) {
    this.deliveriesBefore = site.wechat.deliveries.length;
    this.workers = WORKERS.flatMap((worker) =>
      Array.from({ length: worker.users }, () => this.run(worker)),
    );
  }

  /** Resolves when a few requests of each kind have ended. */
  static async start(site: Site): Promise<Load> {
    const load = new Load(site);
    await load.more(3);
    return load;
  }

  /** Waits until so many more requests of each kind have ended. */
  async more(count: number): Promise<void> {
    const goals = WORKERS.map(({ kind }) => [kind, sumOf(this.figures[kind]) + count] as const);
    await until(() => goals.every(([kind, goal]) => sumOf(this.figures[kind]) >= goal));
  }

  /** Lets the requests under way end, and WeChat Pay repeat the notifications that were refused. */
  async stop(): Promise<Figures> {
    this.stopping.abort();
    await Promise.all(this.workers);
    const { wechat } = this.site;
    wechat.clock.advance(REPEATS);
    await wechat.settle();
    const { notification } = this.figures;
    for (const { done, attempts } of wechat.deliveries.slice(this.deliveriesBefore)) {
      if (!done) notification.failures.push({ startedAt: 0, reason: JSON.stringify(attempts) });
      else if (attempts.length > 1) notification.retried++;
      else notification.ok++;
    }
    return this.figures;
  }

  private async run({ kind, pauseMs, isNewUser = false, act }: Worker): Promise<void> {
    let visitor = new Visitor(this.site);
    if (!isNewUser) await guarded(visitor); // logs in
    while (!this.stopping.signal.aborted) {
      if (isNewUser) visitor = new Visitor(this.site);
      await this.measure(kind, visitor, act);
      await sleep(pauseMs);
    }
  }

  private async measure(kind: Kind, visitor: Visitor, act: Act): Promise<void> {
    const figure = this.figures[kind];
    const startedAt = performance.now();
    visitor.requests = 0;
    try {
      if ((await act(visitor)) < visitor.requests) figure.retried++;
      else figure.ok++;
    } catch (error) {
      figure.failures.push({ startedAt, reason: `${kind}: ${String(error)}` });
    }
  }
}

const sumOf = ({ ok, retried, failures }: Figure): number => ok + retried + failures.length;

/** The figures as a table. */
export function tableOf(figures: Figures): string {
  const lines = KINDS.map((kind) => {
    const { ok, retried, failures } = figures[kind];
    return [kind, sumOf(figures[kind]), ok, retried, failures.length];
  });
  return [['kind', 'sent', 'ok', 'retried', 'failed'], ...lines]
    .map((cells) => `| ${cells.map((cell) => String(cell).padEnd(12)).join(' | ')} |\n`)
    .join('');
}
