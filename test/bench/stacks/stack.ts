import { applyDecorators, Controller, Get, UnauthorizedException } from '@nestjs/common';
import type { INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { BODY } from '../body.js';
import type { Ground } from '../library.js';
import type { HttpRequest } from '../order.js';

/** The HTTP servers that Nest supports. */
export type Http = 'fastify' | 'express';

/** A route, with or without a guard. */
export interface Stack {
  module: (ground: Ground) => ModuleMetadata | Promise<ModuleMetadata>;
  /** Runs before the application listens. */
  prepare?: (app: INestApplication, ground: Ground) => unknown;
  /** Returns the credentials of `count` logged-in clients. Runs while the application listens. */
  credentials: (app: INestApplication, count: number) => Promise<Credentials> | Credentials;
  /** What is sent to a stack without credentials. */
  requests?: () => HttpRequest[];
}

/** A header with one value for each client. */
export interface Credentials {
  header: 'authorization' | 'cookie';
  values: string[];
}

/** The part of a request that guards without a library read. */
export interface GuardedRequest {
  headers: Record<string, string | undefined>;
  user?: unknown;
}

/** Creates the controller of the measured route, with the given guards. */
export function route(...decorators: MethodDecorator[]): Type {
  @Controller()
  class RouteController {
    @Get('hello')
    @applyDecorators(...decorators)
    hello(): typeof BODY {
      return BODY;
    }
  }
  return RouteController;
}

export function bearers(tokens: string[]): Credentials {
  return { header: 'authorization', values: tokens.map((token) => `Bearer ${token}`) };
}

export function bearerOf({ headers }: GuardedRequest): string {
  const [scheme, token] = headers['authorization']?.split(' ') ?? [];
  if (scheme !== 'Bearer' || !token) unauthorized();
  return token;
}

export function unauthorized(): never {
  throw new UnauthorizedException();
}
