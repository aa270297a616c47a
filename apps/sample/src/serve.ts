import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { inspect } from 'node:util';
import { ConfigError } from './config.js';
import { FolderInUseError } from './database/folder-lock.js';

const SIGNALS = ['SIGINT', 'SIGTERM'];
const LONGEST_SHUTDOWN = 9000;

/** Runs a start function. If it fails, prints one sentence for an error that the operator can fix, or the stack, and exits with 1. */
export async function run(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exit(1);
  }
}

/** Listens until a signal. Then it finishes the requests under way, and the process exits with 0. */
export async function serve(
  app: NestFastifyApplication,
  port: number,
  host: string,
): Promise<string> {
  app.enableShutdownHooks(SIGNALS, { useProcessExit: true });
  for (const signal of SIGNALS)
    process.once(signal, () => setTimeout(() => process.exit(0), LONGEST_SHUTDOWN).unref());
  await app.listen(port, host);
  const url = await app.getUrl();
  new Logger('App').log(`Listening on ${url}`);
  return url;
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError || error instanceof FolderInUseError) return error.message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    return `PORT is in use (${error.message}). Choose another, for example PORT=3100.`;
  return inspect(error);
}
