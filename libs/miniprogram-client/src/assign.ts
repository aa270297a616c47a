/**
 * Works like `Object.assign`, which ES5 does not have, and skips undefined values, because `wx` refuses `timeout: undefined`.
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
    const source = arguments[i] as Record<string, unknown>; // in ES5 a rest parameter would be compiled to a further loop
    for (const name in source) if (source[name] !== undefined) target[name] = source[name];
  }
  return target;
}
