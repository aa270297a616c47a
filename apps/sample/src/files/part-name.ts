import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

const PART = /\.(\d+)@([^@]*)\.part$/;
const HOST = hostname().replace(/[^\w.-]/g, '_');
/** Longer than the longest request, which `app.ts` limits to two minutes. */
const LONGEST_UPLOAD_MS = 600_000;

/** The files that this process is receiving. */
const receiving = new Set<string>();

/** Creates a name for a file that is being received. It contains the process id and the host, so that a later start can tell whether the process has ended. */
export function beginPart(): string {
  const name = `${randomUUID()}.${process.pid}@${HOST}.part`;
  receiving.add(name);
  return name;
}

/** The part was stored or removed. */
export function endPart(name: string): void {
  receiving.delete(name);
}

/**
 * Whether nothing writes to a part any more.
 * @param writtenAt when it was last written, in milliseconds
 */
export function isAbandoned(name: string, writtenAt: number): boolean {
  if (receiving.has(name)) return false;
  const [, pid, host] = PART.exec(name) ?? [];
  const hasEnded = host === HOST && (Number(pid) === process.pid || !isRunning(Number(pid)));
  return hasEnded || writtenAt < Date.now() - LONGEST_UPLOAD_MS;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it runs as another user
  }
}
