import type { ExecutionContext } from '@nestjs/common';
import type { CryptoService } from '../open-data/crypto.service.js';
import type { EncryptedOpenData, SignedRawData } from '../open-data/open-data.js';
import type { WechatSession } from '../session/wechat-session.js';
import { carrierOf } from './request-of.js';
import type { WechatUsers } from './users.js';

/** What a guard leaves on a request for the decorators. The user is looked up when somebody asks, and once. */
export class RequestAuth {
  private found?: Promise<unknown>;

  constructor(
    readonly session: WechatSession,
    private readonly users: WechatUsers,
    private readonly crypto: CryptoService,
  ) {}

  user(): Promise<unknown> {
    return (this.found ??= this.users.of(this.session));
  }

  /** Checks the signature where one came along, then decrypts. `sent` is whatever the client sent. */
  async openData(sent: unknown): Promise<unknown> {
    const data = (sent ?? {}) as EncryptedOpenData & SignedRawData;
    if (data.rawData !== undefined || data.signature !== undefined)
      await this.crypto.verifyRawData(this.session, data);
    return this.crypto.decryptOpenData(this.session, data);
  }
}

const AUTH = Symbol('nestjs-wechat.auth');

type Carrier = { [AUTH]?: RequestAuth | null };

/** `null` says that a guard ran and let the request through without a session. */
export function setAuth(carrier: object, auth: RequestAuth | null): void {
  (carrier as Carrier)[AUTH] = auth;
}

/** Like setAuth, in a handler's context. */
export function setAuthOf(context: ExecutionContext, auth: RequestAuth | null): void {
  // The fields of a GraphQL operation run side by side on one context: a public one leaves alone what its neighbour found.
  const found = context.getType<string>() === 'graphql' ? findAuth(context) : null;
  setAuth(carrierOf(context), auth ?? found ?? null);
}

/** `undefined` where no guard ran, `null` where one ran and let the request through without a session. */
export function findAuth(context: ExecutionContext): RequestAuth | null | undefined {
  return (carrierOf(context) as Carrier)[AUTH];
}

export function authOf(context: ExecutionContext): RequestAuth | undefined {
  const auth = findAuth(context);
  if (auth === undefined)
    throw new Error(
      'No guard of nestjs-wechat ran here. Add @UseGuards(SessionGuard), or OptionalSessionGuard.',
    );
  return auth ?? undefined;
}
