import { join } from 'node:path';
import base from '../../jest.config.mjs';
import { filesOfRows } from '../../tools/faults.mjs';

const { testRegex: _all, ...shared } = base;

/**
 * `npm run test:faults`: the specs that prove a row, at full trial counts. One worker has the hour of the soak, which mostly
 * waits; the other has all the rest, one after the other, since they kill, freeze and time real processes.
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
