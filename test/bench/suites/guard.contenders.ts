import type { StackName } from '../stacks/index.js';
import type { Http } from '../stacks/stack.js';

/** One server in the comparison. */
export interface Contender {
  label: string;
  stack: StackName;
  http: Http;
  store?: 'redis' | 'memory';
  /** The route has no guard. */
  open?: boolean;
  /** Whether a login can be revoked before it expires, and when. */
  revocable?: 'at once' | 'no';
  /** Every tenth request has a token that the server did not issue. */
  flooded?: boolean;
}

const redis = { store: 'redis', revocable: 'at once' } as const;
const memory = { store: 'memory', revocable: 'at once' } as const;
const jwt = { revocable: 'no' } as const;

const FASTIFY = {
  bare: { stack: 'bare', label: 'bare Nest route', open: true },
  public: { stack: 'public', label: 'public route, library imported', store: 'redis', open: true },
  guarded: { stack: 'guarded', label: 'SessionGuard', ...redis },
  passport: { stack: 'passport', label: 'WechatAuthGuard (Passport)', ...redis },
  floor: { stack: 'floor', label: 'by hand: header, SHA-256, GET, JSON', ...redis },
  sealedFloor: { stack: 'sealedFloor', label: 'by hand, sealed: AES-256-GCM as well', ...redis },
  nestJwt: { stack: 'nestJwt', label: '@nestjs/jwt guard, KeyObject', ...jwt },
  fastifyJwt: { stack: 'fastifyJwt', label: '@fastify/jwt', ...jwt },
  passportJwt: { stack: 'passportJwt', label: 'passport-jwt, KeyObject', ...jwt },
  'public in memory': {
    stack: 'public',
    label: 'public route, library in memory',
    store: 'memory',
    open: true,
  },
  'guarded in memory': { stack: 'guarded', label: 'SessionGuard, in memory', ...memory },
  'passport in memory': { stack: 'passport', label: 'WechatAuthGuard, in memory', ...memory },
  flooded: {
    stack: 'guarded',
    label: 'SessionGuard, 10 % forged tokens',
    ...redis,
    flooded: true,
  },
} satisfies Record<string, Omit<Contender, 'http'>>;

const EXPRESS = {
  'express bare': { stack: 'bare', label: 'bare Nest route (Express)', open: true },
  'express public': {
    stack: 'public',
    label: 'public route, library imported (Express)',
    store: 'redis',
    open: true,
  },
  'express guarded': { stack: 'guarded', label: 'SessionGuard (Express)', ...redis },
  'express passport': { stack: 'passport', label: 'WechatAuthGuard (Express)', ...redis },
  'express passportJwt': {
    stack: 'passportJwt',
    label: 'passport-jwt, KeyObject (Express)',
    ...jwt,
  },
  'express expressSession': {
    stack: 'expressSession',
    label: 'express-session + connect-redis',
    ...redis,
  },
  'express guarded in memory': {
    stack: 'guarded',
    label: 'SessionGuard, in memory (Express)',
    ...memory,
  },
} satisfies Record<string, Omit<Contender, 'http'>>;

export type ContenderName = keyof typeof FASTIFY | keyof typeof EXPRESS;

const on = <Name extends string>(
  http: Http,
  contenders: Record<Name, Omit<Contender, 'http'>>,
): Record<Name, Contender> =>
  Object.fromEntries(
    Object.entries<Omit<Contender, 'http'>>(contenders).map(([name, one]) => [
      name,
      { ...one, http },
    ]),
  ) as Record<Name, Contender>;

export const CONTENDERS: Record<ContenderName, Contender> = {
  ...on<keyof typeof FASTIFY>('fastify', FASTIFY),
  ...on<keyof typeof EXPRESS>('express', EXPRESS),
};
