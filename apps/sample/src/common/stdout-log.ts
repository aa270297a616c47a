import { pino } from 'pino';
import type { DestinationStream } from 'pino';

/** Bytes that wait while the reader of stdout is slow: about 10,000 lines. */
const MAX_WAITING_BYTES = 2_000_000;
/** Milliseconds that the exit of the process waits for a reader that reads nothing. */
const EXIT_TIMEOUT_MS = 1000;

/**
 * Writes log lines to stdout, and never waits for the reader. If too many bytes wait, lines are dropped until all of them are written.
 * @param onDropped is called then, with the number of dropped lines. Logs it in the first line after the gap.
 */
export function stdoutLog(onDropped: (lines: number) => void): DestinationStream {
  void process.stdout; // Node makes a pipe non-blocking here. Writing to a full pipe then fails at once, and does not block the exit.
  let dropped = 0;
  let progress: { left: number; at: number } | undefined; // of the exit
  let hasFailed = false;
  const stream = pino.destination({
    sync: false,
    maxLength: MAX_WAITING_BYTES,
    retryEAGAIN: (_error, writing, others) => {
      if (!progress) return true;
      const left = writing + others;
      if (left < progress.left) progress = { left, at: performance.now() };
      return performance.now() - progress.at < EXIT_TIMEOUT_MS;
    },
  });
  const reportDropped = (): void => {
    const lines = dropped;
    dropped = 0;
    if (lines > 0) onDropped(lines);
  };
  stream.on('drain', reportDropped);
  stream.on('error', () => (hasFailed = true)); // such as a full disk; the next line tries again
  stream.on('write', () => (hasFailed = false));
  stream.on('drop', () => {
    dropped++;
    stream.write(''); // so that `drain` follows, even if this line alone was too long
  });
  process.prependOnceListener('exit', () => {
    progress = { left: Infinity, at: performance.now() };
    if (hasFailed) return stream.destroy(); // flushSync would try for ever
    try {
      stream.flushSync();
      reportDropped();
      stream.flushSync();
    } catch {
      stream.destroy(); // else pino flushes it once more, without a timeout
    }
  });
  return {
    write(line) {
      if (dropped > 0) dropped++;
      stream.write(dropped > 0 ? '' : line); // an empty text starts a stream again that has failed
    },
  };
}
