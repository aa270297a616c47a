import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { withTimeout } from './circuit-breaker.js';
import { clientOptions, closeClient, SingleServer } from './node-redis.js';
import type {
  RedisCommand,
  RedisEvents,
  RedisLink,
  RedisServer,
  RedisTopology,
} from './redis.topology.js';
import type { RedisAddress, SentinelUrl } from './redis.url.js';

/** How often the sentinels are asked for the primary. */
const ASK_INTERVAL_MS = 1_000;

/** `host:port`. The host can be an IPv6 address. */
const ADDRESS = /^(.+):(\d+)$/;

const NO_SERVER: RedisServer = { address: '' };

/** What one sentinel says. */
interface Named {
  /** `host:port` of the primary. */
  address: string;
  /** The number of the latest failover that the sentinel knows. */
  epoch: number;
}

/**
 * The primary of the latest failover that a sentinel knows. They are asked once a second, so this process follows a failover even if its
 * connection to the old primary still works.
 *
 * The Sentinel client of node-redis is not used: it lets all commands wait while no sentinel responds, although the primary does.
 */
export class SentinelServer implements RedisTopology {
  readonly isCluster = false;
  private readonly closing = new AbortController();
  private readonly sentinels: Sentinel[];
  private readonly timer: NodeJS.Timeout;
  private primary?: SingleServer;
  private server = NO_SERVER;
  /** Of the primary in use. A sentinel that is cut off together with an older primary names that one. */
  private epoch = 0;
  private isAsking = false;

  constructor(
    private readonly url: SentinelUrl,
    private readonly events: RedisEvents,
  ) {
    this.sentinels = url.sentinels.map(
      (address) => new Sentinel(address, url, this.closing.signal, () => void this.follow()),
    );
    this.timer = setInterval(() => void this.follow(), ASK_INTERVAL_MS).unref();
  }

  links(): RedisLink[] {
    return this.primary?.links() ?? [];
  }

  serverOf(): RedisServer {
    return this.server;
  }

  send(key: string, command: RedisCommand): Promise<unknown> {
    return this.primary!.send(key, command);
  }

  rediscover(): void {
    void this.follow();
  }

  reconnect(): void {
    this.primary?.reconnect();
    void this.follow();
  }

  close(): void {
    clearInterval(this.timer);
    this.closing.abort();
    for (const sentinel of this.sentinels) sentinel.close();
    this.primary?.close();
  }

  /** Connects to the primary that the sentinels name, unless it is the current one. */
  private async follow(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const replies = await Promise.all(this.sentinels.map((sentinel) => sentinel.primary()));
    this.isAsking = false;
    if (this.closing.signal.aborted) return;
    const named = latestOf(replies);
    if (!named) this.reportNone();
    else if (named.address !== this.server.address && this.isNewer(named)) this.connect(named);
  }

  private connect({ address, epoch }: Named): void {
    this.epoch = epoch;
    const [, host, port] = ADDRESS.exec(address)!;
    const { username, password, tls } = this.url;
    this.primary?.close();
    const socket = { host, port: Number(port), ...(tls && { tls: true as const }) };
    this.primary = SingleServer.open(
      { username, password, socket },
      { ...this.events, ready: () => this.onReady() },
    );
    this.server = { address, link: this.primary.links()[0] };
  }

  /** Sentinels close the connections to a primary that they replace. It may have become a replica. */
  private onReady(): void {
    void this.follow();
    this.events.ready();
  }

  /** The numbers begin again if the sentinels are set up anew, so they decide only while the current primary is connected. */
  private isNewer({ epoch }: Named): boolean {
    return epoch >= this.epoch || !this.server.link?.isReady;
  }

  /** A primary that is connected is used without sentinels. */
  private reportNone(): void {
    if (this.server.link?.isReady) return;
    const reasons = new Set(this.sentinels.map(({ problem }) => problem));
    if (reasons.has('')) return; // a sentinel is still connecting
    this.events.error(new Error(`no sentinel names the primary: ${[...reasons].join(', ')}`));
  }
}

/** The connection to one sentinel. */
class Sentinel {
  /** Why it names no primary. Empty if it has not failed. */
  problem = '';
  private client: RedisClientType;
  private hasLogin = false;

  constructor(
    private readonly address: RedisAddress,
    private readonly url: SentinelUrl,
    private readonly closing: AbortSignal,
    private readonly onReady: () => void,
  ) {
    this.client = this.open();
  }

  /** Never rejects. */
  async primary(): Promise<Named | undefined> {
    if (!this.client.isReady) return undefined;
    const ask = (question: string): Promise<unknown> =>
      withTimeout(this.client.sendCommand(['SENTINEL', question, this.url.name]));
    try {
      const [address, fields] = await Promise.all([
        ask('GET-MASTER-ADDR-BY-NAME'),
        ask('MASTER').catch(() => []), // it does not know the name
      ]);
      const named = Array.isArray(address) ? address.join(':') : '';
      if (ADDRESS.test(named) && Array.isArray(fields))
        return { address: named, epoch: epochOf(fields) };
      this.problem = `a sentinel does not know the name ${this.url.name}`;
    } catch (error) {
      this.failed(error as Error);
    }
    return undefined;
  }

  close(): void {
    closeClient(this.client);
  }

  private open(): RedisClientType {
    const { RESP, socket, disableOfflineQueue } = clientOptions(this.closing);
    const { username, password, tls } = this.url;
    const client = createClient({
      RESP,
      disableOfflineQueue,
      socket: { ...socket, ...this.address, ...(tls && { tls: true as const }) },
      ...(this.hasLogin && { username, password }),
    }) as unknown as RedisClientType;
    client
      .on('error', (error: Error) => this.failed(error))
      .on('ready', () => {
        this.problem = '';
        this.onReady();
      })
      .connect()
      .catch(() => {});
    return client;
  }

  /** A sentinel refuses a login if it needs none, so the login is used only after NOAUTH. */
  private failed({ message }: Error): void {
    this.problem = message || 'a sentinel does not respond';
    if (!message.startsWith('NOAUTH') || this.hasLogin || this.closing.aborted) return;
    this.problem = '';
    this.hasLogin = true;
    this.close();
    this.client = this.open();
  }
}

/** @param fields names and values of `SENTINEL MASTER`, by turns */
function epochOf(fields: unknown[]): number {
  return Number(fields[fields.indexOf('config-epoch') + 1] ?? 0);
}

function latestOf(replies: (Named | undefined)[]): Named | undefined {
  const named = replies.filter((reply) => reply !== undefined);
  return named.toSorted((one, other) => other.epoch - one.epoch)[0];
}
