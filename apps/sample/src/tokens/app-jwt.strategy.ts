import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-custom';
import { UnauthorizedError } from '../common/app-error.js';
import { AppTokens } from './app-tokens.js';
import type { Account } from './app-tokens.js';
import { CredentialGuard, strategyOf } from './credential.guard.js';

const BEARER = /^Bearer +(\S+)$/i;

/** The Passport strategy `app-jwt`: the account of a valid app token becomes `request.user`. */
@Injectable()
export class AppJwtStrategy extends PassportStrategy(Strategy, 'app-jwt') {
  constructor(private readonly tokens: AppTokens) {
    super();
  }

  async validate(request: FastifyRequest): Promise<Account> {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new UnauthorizedError();
    return strategyOf<AppJwtStrategy>(request, this).tokens.verify(token);
  }
}

export const AppJwtGuard = CredentialGuard('app-jwt');
