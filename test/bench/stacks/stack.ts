import { applyDecorators, Controller, Get, UnauthorizedException } from '@nestjs/common';
import type { INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { BODY } from '../body.js';
import type { Ground } from '../library.js';

/** The two servers that Nest runs on. */
export type Http = 'fastify' | 'express';

/** One way to protect a route, or none. */
export interface Stack {
  module: (ground: Ground) => ModuleMetadata | Promise<ModuleMetadata>;
  /** Before the application listens. */
  prepare?: (app: INestApplication, ground: Ground) => unknown;
  /** While it listens: what so many clients that have logged in send. */
  credentials: (app: INestApplication, count: number) => Promise<Credentials> | Credentials;
}

/** One value of a header for each client. */
export interface Credentials {
  header: 'authorization' | 'cookie';
  values: string[];
}

/** A request as guards by hand look at it. */
export interface GuardedRequest {
  headers: Record<string, string | undefined>;
  user?: unknown;
}

/** The route that every stack serves, with what guards it. */
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
