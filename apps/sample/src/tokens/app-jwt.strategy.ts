import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { WechatSessionError } from 'nestjs-wechat';
import { Strategy } from 'passport-custom';
import { AppTokens } from './app-tokens.js';
import type { Account } from './app-tokens.js';

/** Which application a request belongs to. Passport keeps strategies by name for the whole process, so of two apps one serves both. */
const TOKENS = Symbol('app tokens');

type PassportRequest = FastifyRequest & { [TOKENS]?: AppTokens; user?: unknown };

const BEARER = /^Bearer +(\S+)$/i;

/** `app-jwt`: the app's own login token becomes `request.user`, the account. */
@Injectable()
export class AppJwtStrategy extends PassportStrategy(Strategy, 'app-jwt') {
  constructor(private readonly tokens: AppTokens) {
    super();
  }

  async validate(request: PassportRequest): Promise<Account> {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new WechatSessionError();
    return (request[TOKENS] ?? this.tokens).open(token);
  }
}

/** Fails closed: whatever Passport makes of it, without an account nobody passes, and an error stays the error that it is. */
@Injectable()
export class AppJwtGuard extends AuthGuard('app-jwt') {
  @Inject(AppTokens) private readonly tokens: AppTokens;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<PassportRequest>();
    request[TOKENS] = this.tokens;
    await super.canActivate(context);
    if (!request.user) throw new WechatSessionError(); // Passport lets a request through where a strategy calls pass()
    return true;
  }

  override handleRequest<User>(error: unknown, user: User | false | null | undefined): User {
    if (error) throw error;
    if (!user) throw new WechatSessionError();
    return user;
  }
}
