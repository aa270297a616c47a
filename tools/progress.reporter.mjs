import { relative } from 'node:path';
import { durationSince, listOf } from './progress.mjs';

const PAUSE_MS = 10_000;

/**
 * A reporter of jest, beside its default one. If no suite ends for ten seconds, it prints what is running. At the end it prints what to
 * install for the tests that were skipped.
 */
export default class ProgressReporter {
  running = new Map();
  done = 0;

  constructor({ rootDir }) {
    this.rootDir = rootDir;
  }

  onRunStart({ numTotalTestSuites }) {
    this.total = numTotalTestSuites;
    this.since = Date.now();
    if (!process.stdout.isTTY) this.ticker = setInterval(() => this.report(), PAUSE_MS); // jest shows it on a terminal
  }

  onTestFileStart({ path }) {
    this.running.set(path, { name: relative(this.rootDir, path), since: Date.now() });
  }

  onTestFileResult({ path }) {
    this.running.delete(path);
    this.done++;
    this.ticker?.refresh();
  }

  onRunComplete(_contexts, { testResults }) {
    clearInterval(this.ticker);
    for (const [need, count] of needsOf(testResults))
      process.stderr.write(`Skipped: ${count} tests, because this machine ${need}\n`);
  }

  report() {
    const running = listOf([...this.running.values()]);
    process.stderr.write(
      `  … ${this.done} of ${this.total} suites after ${durationSince(this.since)}; running: ${running}\n`,
    );
  }
}

/** Counts the skipped tests by the program that they need. See test/support/needs.ts. */
function needsOf(testResults) {
  const counts = new Map();
  for (const { fullName, status } of testResults.flatMap((suite) => suite.testResults)) {
    const need = status === 'pending' && /\[(needs .+?)\]/.exec(fullName)?.[1];
    if (need) counts.set(need, (counts.get(need) ?? 0) + 1);
  }
  return counts;
}
