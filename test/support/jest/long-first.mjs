import Sequencer from '@jest/test-sequencer';

/** Suites that start a browser, which uses every core. */
const BROWSER = /\/test\/(browser\/|docs\/site\.)/;
/** How many other suites are between two of them, so that two browsers do not slow each other. */
const OTHERS_BETWEEN = 6;
/** Folders whose suites take longest: they start the whole app, or processes. */
const LONG = ['/test/sample/', '/test/faults/'];

/** Starts the long suites first, so that no worker is idle at the end while the other one runs a long suite. */
export default class LongFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const found = LONG.findIndex((folder) => path.includes(folder));
      return found < 0 ? LONG.length : found;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- the sort of the sequencer, not of an array
    const sorted = super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
    const browsers = sorted.filter(({ path }) => BROWSER.test(path));
    const mixed = sorted
      .filter(({ path }) => !BROWSER.test(path))
      .flatMap((test, i) => (i % OTHERS_BETWEEN === 0 ? [...browsers.splice(0, 1), test] : [test]));
    return [...mixed, ...browsers];
  }
}
