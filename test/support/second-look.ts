/**
 * The stories are told by real servers, processes and sockets, on a machine that may be busy with something else. What fails
 * is looked at once more, and told in either case; at full trial counts (`npm run test:faults`) everything counts.
 */
if (process.env['FAULT_TRIALS'] !== 'full') jest.retryTimes(1, { logErrorsBeforeRetry: true });
