import { inspect } from 'node:util';

/**
 * Makes `console.log`, `util.inspect` and `JSON.stringify` print `[hidden]` in place of these properties. Reading them works as
 * before. Do not use it for an object that is serialised to be stored or sent.
 *
 * @returns the object
 */
export function hideSecrets<T extends object>(object: T, ...secrets: string[]): T {
  const print = (): object => ({
    ...object,
    ...Object.fromEntries(
      secrets.filter((name) => name in object).map((name) => [name, '[hidden]']),
    ),
  });
  return Object.defineProperties(object, {
    toJSON: { value: print, configurable: true },
    [inspect.custom]: { value: print, configurable: true },
  });
}
