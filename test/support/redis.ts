import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { freePort } from './free-port.js';
import { describeWith } from './needs.js';
import type { Program } from './needs.js';

const REDIS: Program = {
  name: 'redis-server',
  isInstalled: spawnSync('redis-server', ['--version']).status === 0,
  package: 'redis-server',
};

/** `describe` for tests that need redis-server. */
export const describeRedis = (title: string, stories: () => void): void =>
  describeWith(REDIS, title, stories);

/** Returns the arguments for a server with TLS on this port. */
type TlsArgs = (port: number) => string[];

/** A redis-server for one test, on a free port, without persistence. */
export class TestRedis {
  private server?: ChildProcess;
  private readonly directory = mkdtempSync(join(tmpdir(), 'wechat-redis-'));
  private readonly endWithUs = (): void => void this.server?.kill('SIGKILL');

  private constructor(
    readonly port: number,
    private readonly args: string[],
    /** Returns the port for the connections between the nodes of a cluster. */
    readonly busPort = 0,
    /** Returns the TLS port of a node of a cluster. */
    readonly tlsPort?: number,
  ) {
    process.once('exit', this.endWithUs);
  }

  static async start(...args: string[]): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), args);
    await redis.start();
    return redis;
  }

  /** @param tlsArgs arguments that enable TLS on a second port */
  static async startClusterNode(tlsArgs?: TlsArgs): Promise<TestRedis> {
    const tlsPort = tlsArgs && (await freePort());
    const tls =
      tlsPort === undefined
        ? []
        : [...tlsArgs!(tlsPort), '--tls-cluster', 'yes', '--tls-replication', 'yes'];
    const busPort = await freePort(); // the default, 10000 above the port, may be greater than 65535
    const cluster = [
      '--cluster-enabled',
      'yes',
      '--cluster-port',
      String(busPort),
      '--cluster-require-full-coverage',
      'no',
    ];
    const redis = new TestRedis(
      await freePort(),
      [...cluster, ...tls, '--repl-diskless-sync-delay', '0'],
      busPort,
      tlsPort,
    );
    await redis.start();
    return redis;
  }

  /** A server that is not running yet. `start()` starts it. */
  static async later(): Promise<TestRedis> {
    return new TestRedis(await freePort(), []);
  }

  get url(): string {
    const at = this.args.indexOf('--requirepass');
    const login = at < 0 ? '' : `:${encodeURIComponent(this.args[at + 1]!)}@`;
    return `redis://${login}127.0.0.1:${this.port}`;
  }

  /** Starts it, also after `kill()`. Does nothing if it runs. */
  async start(): Promise<void> {
    if (this.isRunning()) return;
    const args = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--dir',
      this.directory,
      '--save',
      '',
      '--appendonly',
      'no',
    ];
    this.server = spawn('redis-server', [...args, ...this.args], { stdio: 'ignore' });
    while (!(await this.accepts())) {
      if (!this.isRunning()) throw new Error(`redis-server ended on port ${this.port}.`);
      await sleep(5);
    }
  }

  /** Ends it by SIGKILL, as in a crash. */
  async kill(): Promise<void> {
    if (!this.isRunning()) return;
    this.server!.kill('SIGKILL');
    await once(this.server!, 'exit');
  }

  /** Stops it by SIGSTOP: it accepts connections and bytes, and never replies. */
  freeze(): void {
    this.server?.kill('SIGSTOP');
  }

  thaw(): void {
    this.server?.kill('SIGCONT');
  }

  async end(): Promise<void> {
    await this.kill();
    process.off('exit', this.endWithUs);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Opens a client. The caller closes it. */
  async client(): Promise<RedisClientType> {
    const client = createClient({ RESP: 2, url: this.url }) as unknown as RedisClientType;
    client.on('error', () => {}); // tests kill the server
    return client.connect();
  }

  /** Runs one command over a new connection. */
  async run(...command: string[]): Promise<unknown> {
    const client = await this.client();
    try {
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }

  async meet(other: TestRedis): Promise<void> {
    await this.run(
      'CLUSTER',
      'MEET',
      '127.0.0.1',
      String(other.tlsPort ?? other.port),
      String(other.busPort),
    );
  }

  private isRunning(): boolean {
    return this.server?.exitCode === null && this.server.signalCode === null;
  }

  private accepts(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  }
}

/** Three masters that share the slots, and a replica of the first one. */
export class TestCluster {
  private constructor(
    readonly masters: TestRedis[],
    readonly replica: TestRedis,
  ) {}

  static async start(tlsArgs?: TlsArgs): Promise<TestCluster> {
    const [replica, ...masters] = await Promise.all(
      Array.from({ length: 4 }, () => TestRedis.startClusterNode(tlsArgs)),
    );
    const cluster = new TestCluster(masters, replica!);
    await cluster.join();
    return cluster;
  }

  get urls(): string[] {
    return this.masters.map(({ url }) => url);
  }

  async end(): Promise<void> {
    await Promise.all([...this.masters, this.replica].map((node) => node.end()));
  }

  private async join(): Promise<void> {
    const nodes = [...this.masters, this.replica];
    await Promise.all(
      this.masters.map((node, i) => node.run('CLUSTER', 'ADDSLOTSRANGE', ...SHARES[i]!)),
    );
    await Promise.all(
      nodes.map((node, i) => node.run('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))),
    );
    await Promise.all(
      nodes.flatMap((one) =>
        nodes.filter((other) => other !== one).map((other) => one.meet(other)),
      ),
    ); // without it the nodes need seconds to find each other
    await Promise.all(
      nodes.map((node) => until(async () => (await nodesKnownTo(node)) === nodes.length)),
    );
    const id = (await this.masters[0]!.run('CLUSTER', 'MYID')) as string;
    await until(() => this.replica.run('CLUSTER', 'REPLICATE', id).then(yes, no));
    await until(async () =>
      String(await this.replica.run('INFO', 'replication')).includes('master_link_status:up'),
    );
    await Promise.all(
      this.masters.map((node) =>
        until(async () => String(await node.run('CLUSTER', 'INFO')).includes('cluster_state:ok')),
      ),
    );
  }
}

/** A primary, its replica, and three sentinels that replace the primary. All of them need a password. */
export class TestSentinels {
  static readonly password = 'CANARY p@ss';
  private readonly endWithUs = (): void => this.killSentinels();
  private sentinels: ChildProcess[] = [];

  private constructor(
    readonly servers: [TestRedis, TestRedis],
    readonly ports: number[],
    private readonly directory: string,
  ) {
    process.once('exit', this.endWithUs);
  }

  static async start(): Promise<TestSentinels> {
    const secured = [
      '--requirepass',
      TestSentinels.password,
      '--masterauth',
      TestSentinels.password,
      '--repl-diskless-sync-delay',
      '0',
    ];
    const primary = await TestRedis.start(...secured);
    const replica = await TestRedis.start(
      ...secured,
      '--replicaof',
      '127.0.0.1',
      String(primary.port),
    );
    const ports = await Promise.all([freePort(), freePort(), freePort()]);
    const sentinels = new TestSentinels(
      [primary, replica],
      ports,
      mkdtempSync(join(tmpdir(), 'wechat-sentinel-')),
    );
    await sentinels.startSentinels();
    return sentinels;
  }

  get url(): string {
    const hosts = this.ports.map((port) => `127.0.0.1:${port}`).join(',');
    return `redis+sentinel://:${encodeURIComponent(TestSentinels.password)}@${hosts}/wechat`;
  }

  /** For the clients of other libraries. */
  get addresses(): { host: string; port: number }[] {
    return this.ports.map((port) => ({ host: '127.0.0.1', port }));
  }

  /** The server that most sentinels name as the primary. */
  async primary(): Promise<TestRedis> {
    const reply = await this.ask(this.ports[0]!, 'GET-MASTER-ADDR-BY-NAME');
    return this.servers.find(({ port }) => String(port) === (reply as string[])[1])!;
  }

  /** Lets the sentinels exchange primary and replica. */
  async failOver(): Promise<void> {
    const before = await this.primary();
    await until(() => this.ask(this.ports[0]!, 'FAILOVER').then(yes, no));
    await until(async () => (await this.primary()) !== before);
  }

  killSentinels(): void {
    for (const sentinel of this.sentinels) sentinel.kill('SIGKILL');
  }

  async end(): Promise<void> {
    this.killSentinels();
    process.off('exit', this.endWithUs);
    await Promise.all(this.servers.map((server) => server.end()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Resolves when all of them know the replica and each other. */
  async startSentinels(): Promise<void> {
    this.sentinels = this.ports.map((port) => {
      const file = join(this.directory, `${port}.conf`);
      if (!existsSync(file)) writeFileSync(file, this.configuration(port));
      return spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
    });
    await until(async () => {
      const known = this.ports.map((port) =>
        this.ask(port, 'MASTER').then(
          (reply) => String(reply),
          () => '',
        ),
      );
      return (await Promise.all(known)).every((text) =>
        /num-slaves,1,num-other-sentinels,2/.test(text),
      );
    });
  }

  private configuration(port: number): string {
    return [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${this.directory}`,
      `requirepass "${TestSentinels.password}"`,
      `sentinel sentinel-pass "${TestSentinels.password}"`,
      `sentinel monitor wechat 127.0.0.1 ${this.servers[0].port} 2`,
      `sentinel auth-pass wechat "${TestSentinels.password}"`,
      'sentinel down-after-milliseconds wechat 500',
      'sentinel failover-timeout wechat 1000',
    ].join('\n');
  }

  private async ask(port: number, question: string): Promise<unknown> {
    const client = createClient({
      RESP: 2,
      url: `redis://:${encodeURIComponent(TestSentinels.password)}@127.0.0.1:${port}`,
      socket: { reconnectStrategy: false },
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return await client.sendCommand(['SENTINEL', question, 'wechat']);
    } finally {
      if (client.isOpen) client.destroy();
    }
  }
}

const SHARES = [
  ['0', '5460'],
  ['5461', '10922'],
  ['10923', '16383'],
];

async function nodesKnownTo(node: TestRedis): Promise<number> {
  const lines = String(await node.run('CLUSTER', 'NODES'))
    .trim()
    .split('\n');
  return lines.filter((line) => !line.includes('handshake')).length;
}

/** Shorter than jest's timeout, which ends a test and not what it does: it would go on beside the next spec of the worker. */
const LONGEST_WAIT_MS = 90_000;

/** Polls until the condition holds. @throws Error after 90 s */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + LONGEST_WAIT_MS;
  while (!(await isSo())) {
    if (performance.now() > end)
      throw new Error(`The condition does not hold after ${LONGEST_WAIT_MS / 1000} s.`);
    await sleep(5);
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;
