/** Bytes that outlive a collection, in the heap and beside it. The process was started with `--expose-gc`. */
export function heldMemory(): number {
  globalThis.gc!();
  globalThis.gc!(); // what the first run finalizes, the second one frees
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
