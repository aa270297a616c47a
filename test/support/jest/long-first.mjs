import Sequencer from '@jest/test-sequencer';

/** Folders whose suites take longest: they start a browser, processes or the whole app. */
const LONG = ['/test/browser/', '/test/sample/', '/test/faults/'];

/** Starts the long suites first, so that no worker is idle at the end while the other one runs a long suite. */
export default class LongFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const found = LONG.findIndex((folder) => path.includes(folder));
      return found < 0 ? LONG.length : found;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- the sort of the sequencer, not of an array
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}
