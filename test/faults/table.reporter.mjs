import { relative } from 'node:path';
import { readResults, rowsOf, trialsOf, writeResults } from '../../tools/faults.mjs';

/** Prints a table after a run: each row, its number of trials, and how many failed. After a full run, writes the results. */
export default class FaultTable {
  constructor({ rootDir }) {
    this.rootDir = rootDir;
  }

  onRunComplete(_contexts, { testResults }) {
    const found = {};
    for (const { testFilePath, testResults: tests } of testResults) {
      const file = relative(this.rootDir, testFilePath).replaceAll('\\', '/');
      for (const test of tests)
        for (const row of rowsOf(file, test.title))
          count(((found[row] ??= {})[file] ??= none()), test);
    }
    process.stdout.write(tableOf(found));
    if (process.env.FAULT_TRIALS === 'full') writeResults(merged(readResults(), found));
  }
}

const none = () => ({
  trials: 0,
  violations: 0,
  seconds: 0,
  date: new Date().toISOString().slice(0, 10),
});

function count(result, { title, status, duration }) {
  if (status === 'pending') result.isPart = true;
  else result.trials += trialsOf(title);
  if (status === 'failed') result.violations++;
  result.seconds += (duration ?? 0) / 1000;
}

/** Replaces earlier results only by those of specs that ran all of their tests of a row. */
function merged(before, found) {
  const results = structuredClone(before);
  for (const [row, files] of Object.entries(found)) {
    for (const [file, { isPart, ...result }] of Object.entries(files)) {
      if (!isPart) (results[row] ??= {})[file] = { ...result, seconds: Math.round(result.seconds) };
    }
  }
  return results;
}

function tableOf(found) {
  const lines = Object.entries(found)
    .toSorted(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }))
    .flatMap(([row, files]) =>
      Object.entries(files).map(([file, result]) => lineOf(row, file, result)),
    );
  return `\n| row | spec | trials | violations | seconds |\n|---|---|---|---|---|\n${lines.join('')}\n`;
}

const lineOf = (row, file, { trials, violations, seconds }) =>
  `| ${row} | ${file} | ${trials} | ${violations} | ${Math.round(seconds)} |\n`;
