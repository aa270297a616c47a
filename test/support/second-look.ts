/**
 * Some stories kill, freeze and time real processes, on a machine that may be busy with something else. What fails there is
 * looked at once more, and told in either case; at full trial counts (`npm run test:faults`) everything counts.
 */
const REAL_TIME = /\/test\/(faults|browser|sample|store)/;

if (REAL_TIME.test(expect.getState().testPath ?? '') && process.env['FAULT_TRIALS'] !== 'full') {
  jest.retryTimes(1, { logErrorsBeforeRetry: true });
}
