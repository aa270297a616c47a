import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFolder } from './folder-lock.js';

/** The address to connect to: a folder that contains a socket, or a host and port. */
export interface DatabaseAddress {
  host: string;
  port: number;
}

/** If the host is a folder, node-postgres connects to the socket with this name in it. */
const PORT = 5432;
const SOCKET = `.s.PGSQL.${PORT}`;

/**
 * PostgreSQL inside this process. The app uses the same driver for it as for a server, so there is one SQL dialect and nothing to
 * install. A lock file next to the folder stops a second process.
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
    const endpoint = await createPrivateEndpoint();
    const server = new PGLiteSocketServer({ db, ...endpoint.listen, maxConnections: 5 }); // database.module.ts uses one; the others are for reconnects
    await server.start();
    return new EmbeddedDatabase(endpoint.address(server), [
      () => server.stop(),
      () => db.close(),
      endpoint.remove,
      unlock,
    ]);
  }

  async stop(): Promise<void> {
    for (const close of this.closing.splice(0)) await close();
  }
}

interface Endpoint {
  listen: { path: string } | { host: string; port: number };
  address: (server: PGLiteSocketServer) => DatabaseAddress;
  remove: () => Promise<void>;
}

/** The database has no password, so its socket is in a folder that other users of the machine cannot read. */
async function createPrivateEndpoint(): Promise<Endpoint> {
  if (process.platform === 'win32') return LOOPBACK;
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-db-'));
  return {
    listen: { path: join(folder, SOCKET) },
    address: () => ({ host: folder, port: PORT }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** For Windows: node-postgres does not support named pipes, so this is a free port of the loopback address. */
const LOOPBACK: Endpoint = {
  listen: { host: '127.0.0.1', port: 0 },
  address: (server) => ({ host: '127.0.0.1', port: Number(server.getServerConn().split(':')[1]) }),
  remove: async () => {},
};
