/** Starts the soak test first, because it takes an hour. The other worker runs all other specs meanwhile. */
export default class SoakFirst {
  sort(tests) {
    const isSoak = ({ path }) => path.endsWith('soak.spec.ts');
    return tests.toSorted(
      (one, other) => isSoak(other) - isSoak(one) || one.path.localeCompare(other.path),
    );
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {} // the order does not depend on earlier durations
}
