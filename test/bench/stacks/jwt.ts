import fastifyJwt from '@fastify/jwt';
import { Inject, Injectable, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication } from '@nestjs/common';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createSecretKey, randomBytes } from 'node:crypto';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { APP, newOpenid } from '../library.js';
import { bearerOf, bearers, route, unauthorized } from './stack.js';
import type { Credentials, GuardedRequest, Stack } from './stack.js';

/** Guards with JSON Web Tokens, which store nothing and cannot be revoked. A KeyObject is faster than a secret string. */
const KEY = createSecretKey(randomBytes(32));

@Injectable()
class NestJwtGuard implements CanActivate {
  constructor(@Inject(JwtService) private readonly jwt: JwtService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    request.user = await this.jwt
      .verifyAsync(bearerOf(request), { secret: KEY as never })
      .catch(unauthorized);
    return true;
  }
}

class FastifyJwtGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    await context
      .switchToHttp()
      .getRequest<{ jwtVerify(): Promise<unknown> }>()
      .jwtVerify()
      .catch(unauthorized);
    return true;
  }
}

@Injectable()
class PassportJwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: KEY as never });
  }

  validate(payload: object): object {
    return payload;
  }
}

const signer = JwtModule.register({ signOptions: { expiresIn: '1d' } });

function signed(app: INestApplication, count: number): Credentials {
  const jwt = app.get(JwtService, { strict: false });
  const sign = (): string =>
    jwt.sign({ sub: newOpenid(), appId: APP.appId }, { secret: KEY as never });
  return bearers(Array.from({ length: count }, sign));
}

export const JWTS = {
  nestJwt: {
    module: () => ({
      imports: [signer],
      controllers: [route(UseGuards(NestJwtGuard))],
      providers: [NestJwtGuard],
    }),
    credentials: signed,
  },
  fastifyJwt: {
    module: () => ({ imports: [signer], controllers: [route(UseGuards(FastifyJwtGuard))] }),
    prepare: (app) =>
      (app as NestFastifyApplication).register(
        fastifyJwt as never,
        { secret: KEY.export() } as never,
      ),
    credentials: signed,
  },
  passportJwt: {
    module: () => ({
      imports: [signer, PassportModule],
      controllers: [route(UseGuards(AuthGuard('jwt')))],
      providers: [PassportJwtStrategy],
    }),
    credentials: signed,
  },
} satisfies Record<string, Stack>;
