import type { Provider } from '@nestjs/common';
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

/**
 * Returns the provider of a module's options as they were passed, printed without secrets. Other providers are returned unchanged.
 *
 * @param token of the options
 * @param hide returns a copy of the options that does not print its secrets
 */
export function withHiddenOptions<Options>(
  provider: Provider,
  token: string | symbol,
  hide: (options: Options) => Options,
): Provider {
  if (typeof provider === 'function' || provider.provide !== token) return provider;
  if ('useValue' in provider) return { ...provider, useValue: hide(provider.useValue as Options) };
  if (!('useFactory' in provider)) return provider;
  const { useFactory } = provider;
  return {
    ...provider,
    useFactory: async (...args: unknown[]) => hide((await useFactory(...args)) as Options),
  };
}
