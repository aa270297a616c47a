/** Returns the bytes in use after a garbage collection, inside and outside of the heap. Needs `--expose-gc`. */
export function heldMemory(): number {
  globalThis.gc!();
  globalThis.gc!(); // the second run frees the objects that the first run finalized
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
