import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { lockFolder } from './folder-lock.js';

/** The address to connect to: a folder that contains a socket, or a host and port. */
export interface DatabaseAddress {
  host: string;
  port: number;
}

const THREAD = join(import.meta.dirname, 'embedded-database.thread.mjs');

/** If the host is a folder, node-postgres connects to the socket with this name in it. */
const PORT = 5432;
const SOCKET = `.s.PGSQL.${PORT}`;

/** The pause before a thread that ended by itself is started again. It doubles each time. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * PostgreSQL in a thread of this process, so that a query does not block the event loop of the app. The app uses the same driver for
 * it as for a server, so there is one SQL dialect and nothing to install. A thread ends with its process, even after `kill -9`, so
 * no second process can have the folder open. A lock file next to the folder stops a second process.
 */
export class EmbeddedDatabase {
  private readonly logger = new Logger(EmbeddedDatabase.name);
  private thread?: Worker;
  private restarts = 0;
  private stopped = false;

  private constructor(
    private readonly dir: string,
    private readonly endpoint: Endpoint,
    private readonly unlock: () => Promise<void>,
  ) {}

  /** @param dir a folder, or `memory://` for a database that ends with the thread */
  static async start(dir: string): Promise<EmbeddedDatabase> {
    const unlock = dir.startsWith('memory:') ? async () => {} : await lockFolder(dir);
    const database = new EmbeddedDatabase(dir, await createPrivateEndpoint(), unlock);
    try {
      await database.startThread();
    } catch (error) {
      await database.stop();
      throw error;
    }
    return database;
  }

  get address(): DatabaseAddress {
    return this.endpoint.address;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.thread) {
      const ended = once(this.thread, 'exit');
      this.thread.postMessage('stop');
      await ended;
    }
    await this.endpoint.remove();
    await this.unlock();
  }

  /** Resolves when clients can connect. Rejects with the error of the database. */
  private async startThread(): Promise<void> {
    const workerData = { dir: this.dir, listen: this.endpoint.listen };
    const thread = new Worker(THREAD, { workerData });
    const ended = once(thread, 'exit').then(([code]) => {
      throw new Error(`The embedded database ended with code ${code}.`);
    });
    await Promise.race([once(thread, 'message'), ended]);
    this.thread = thread;
    ended.catch((error: Error) => this.restart(error));
  }

  /** Until it runs again, connections are refused, as by a server that is down. */
  private async restart(reason: Error): Promise<void> {
    this.thread = undefined;
    if (this.stopped) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.restarts++, LONGEST_PAUSE_MS);
    this.logger.error(reason);
    this.logger.error(`The embedded database ended. It starts again in ${pause / 1000} s.`);
    await sleep(pause, undefined, { ref: false });
    if (this.stopped) return;
    await this.startThread().catch((error: Error) => this.restart(error));
    if (this.stopped) await this.stop(); // it was called while the thread started
  }
}

interface Endpoint {
  /** What the server listens on. */
  listen: { path: string } | DatabaseAddress;
  /** What clients connect to. */
  address: DatabaseAddress;
  remove: () => Promise<void>;
}

/** The database has no password, so its socket is in a folder that other users of the machine cannot read. */
async function createPrivateEndpoint(): Promise<Endpoint> {
  if (process.platform === 'win32') return loopback();
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-db-'));
  return {
    listen: { path: join(folder, SOCKET) },
    address: { host: folder, port: PORT },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** For Windows: node-postgres does not support named pipes, so this is a free port of the loopback address. */
async function loopback(): Promise<Endpoint> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = { host: '127.0.0.1', port: (probe.address() as AddressInfo).port };
  probe.close();
  await once(probe, 'close');
  return { listen: address, address, remove: async () => {} };
}
