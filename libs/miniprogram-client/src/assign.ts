/**
 * `Object.assign`, which ES5 has not, except that it skips what is undefined: `wx` complains that `timeout: undefined` is no number.
 */
export function assign<A extends object, B extends object>(target: A, source: B): A & B;
export function assign<A extends object, B extends object, C extends object>(
  target: A,
  source: B,
  more: C,
): A & B & C;
export function assign<A extends object, B extends object, C extends object, D extends object>(
  target: A,
  source: B,
  more: C,
  evenMore: D,
): A & B & C & D;
export function assign(target: Record<string, unknown>): object {
  for (let i = 1; i < arguments.length; i++) {
    const source = arguments[i] as Record<string, unknown>; // a rest parameter is a loop of its own in ES5
    for (const name in source) if (source[name] !== undefined) target[name] = source[name];
  }
  return target;
}
