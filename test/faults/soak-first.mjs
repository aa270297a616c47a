/** Jest gives the specs to its workers in this order: whoever takes the soak has it for an hour. */
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

  cacheResults() {} // the order does not depend on how long a spec took before
}
