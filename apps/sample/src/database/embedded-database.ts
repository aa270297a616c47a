import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFolder } from './folder-lock.js';

/** Where to connect: a folder with a socket in it, or a host and port. */
export interface DatabaseAddress {
  host: string;
  port: number;
}

/** node-postgres looks for a socket of this name in a folder that is given to it as the host. */
const PORT = 5432;
const SOCKET = `.s.PGSQL.${PORT}`;

/**
 * PostgreSQL inside this process, reached through the same driver as a server: one dialect, and nothing to install. For one
 * process only; a lock in the folder keeps a second one out.
 */
export class EmbeddedDatabase {
  private constructor(
    readonly address: DatabaseAddress,
    private readonly closing: (() => Promise<unknown>)[],
  ) {}

  /** @param dir a folder, or `memory://` for a database that ends with the process */
  static async start(dir: string): Promise<EmbeddedDatabase> {
    const unlock = dir.startsWith('memory:') ? async () => {} : await lockFolder(dir);
    const db = await PGlite.create(dir);
    const place = await privatePlace();
    const server = new PGLiteSocketServer({ db, ...place.listen, maxConnections: 5 }); // one is used, see database.module.ts; the rest is for reconnecting
    await server.start();
    return new EmbeddedDatabase(place.address(server), [
      () => server.stop(),
      () => db.close(),
      place.remove,
      unlock,
    ]);
  }

  async stop(): Promise<void> {
    for (const close of this.closing.splice(0)) await close();
  }
}

interface Place {
  listen: { path: string } | { host: string; port: number };
  address: (server: PGLiteSocketServer) => DatabaseAddress;
  remove: () => Promise<void>;
}

/** There is no password, so nobody else may get there: a folder that is closed to other users. */
async function privatePlace(): Promise<Place> {
  if (process.platform === 'win32') return LOOPBACK;
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-db-'));
  return {
    listen: { path: join(folder, SOCKET) },
    address: () => ({ host: folder, port: PORT }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** node-postgres knows no named pipes; a free port of this machine is the best that Windows has. */
const LOOPBACK: Place = {
  listen: { host: '127.0.0.1', port: 0 },
  address: (server) => ({ host: '127.0.0.1', port: Number(server.getServerConn().split(':')[1]) }),
  remove: async () => {},
};
