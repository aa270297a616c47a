import { Scope } from '@nestjs/common';
import type { Abstract, Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';

export type ProviderToken<T> = symbol | Type<T> | Abstract<T>;

/**
 * Returns the instance that the application provides anywhere, or `undefined`.
 * @param name of the provider in the error
 * @throws Error if it is request-scoped
 */
export function providedInstance<T>(
  moduleRef: ModuleRef,
  token: ProviderToken<T>,
  name: string,
): T | undefined {
  const scope = scopeOf(moduleRef, token);
  if (scope === undefined) return undefined;
  if (scope !== Scope.DEFAULT) refuseScope(name);
  return moduleRef.get<T>(token, { strict: false });
}

/** Creates an instance of a class that the application does not provide. */
export async function createInstance<T>(
  moduleRef: ModuleRef,
  type: Type<T>,
  name: string,
): Promise<T> {
  const { scope } = (Reflect.getMetadata('scope:options', type) ?? {}) as { scope?: Scope };
  if (scope) refuseScope(name);
  return moduleRef.create(type);
}

/** Returns the scope of a provider, or `undefined` if no module provides it. */
export function scopeOf(moduleRef: ModuleRef, token: ProviderToken<unknown>): Scope | undefined {
  try {
    return moduleRef.introspect(token as symbol).scope;
  } catch {
    return undefined; // Nest throws if no module provides it
  }
}

function refuseScope(name: string): never {
  throw new Error(
    `The ${name} is request-scoped or transient, but one instance serves all requests. Remove its scope, and do not inject a request-scoped provider into it.`,
  );
}
