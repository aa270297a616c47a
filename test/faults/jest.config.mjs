import { join } from 'node:path';
import base from '../../jest.config.mjs';
import { filesOfRows } from '../../tools/faults.mjs';

const { testRegex: _all, ...shared } = base;

/**
 * The configuration of `npm run test:faults`: the specs that prove a row, with full trial counts. One worker runs the soak test
 * for an hour, which mostly waits. The other worker runs all other specs in turn, because they kill, freeze and time processes.
 *
 * @type {import('jest').Config}
 */
export default {
  ...shared,
  rootDir: join(import.meta.dirname, '../..'),
  testMatch: filesOfRows().map((file) => `<rootDir>/${file}`),
  testSequencer: '<rootDir>/test/faults/soak-first.mjs',
  reporters: ['default', '<rootDir>/test/faults/table.reporter.mjs'],
  maxWorkers: 2,
  testTimeout: 1_200_000,
};
