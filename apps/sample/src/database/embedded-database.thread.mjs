// @ts-check
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/*
 * The thread of the embedded database. Only embedded-database.ts starts it. It is JavaScript, so that tests can start it without a
 * compiler. It sends one message when clients can connect. It ends after any message to it.
 */

/** @type {{ dir: string, listen: { path?: string, host?: string, port?: number } }} */
const { dir, listen } = workerData;

const db = await PGlite.create(dir);
if (listen.path) rmSync(listen.path, { force: true }); // of an earlier thread that ended without closing it
const server = new PGLiteSocketServer({ db, ...listen, maxConnections: 5 }); // database.module.ts uses one; the others are for reconnects
await server.start();

parentPort?.once('message', () => void stop());
parentPort?.postMessage('listening');

async function stop() {
  await server.stop();
  await db.close();
  process.exit(); // this ends the thread, not the process
}
