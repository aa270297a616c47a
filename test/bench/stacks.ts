import fastifyJwt from '@fastify/jwt';
import { applyDecorators, Controller, Get, Inject, Injectable, Post, Query, UnauthorizedException, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext, ModuleMetadata, Type } from '@nestjs/common';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createCipheriv, createDecipheriv, createSecretKey, hash, randomBytes } from 'node:crypto';
import { SessionGuard, SessionService, WechatModule } from 'nestjs-wechat';
import { WechatAuthGuard, WechatSessionStrategy } from 'nestjs-wechat/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { createClient, RESP_TYPES } from 'redis';
import { BODY } from './body.js';
import { logIn, newOpenid, optionsOn, skipWechat } from './library.js';
import type { Ground } from './library.js';

/** One way to protect a route, or none. */
export interface Stack {
  module: (ground: Ground) => ModuleMetadata | Promise<ModuleMetadata>;
  /** Before the application listens. */
  prepare?: (app: NestFastifyApplication) => unknown;
  tokens: (app: NestFastifyApplication, count: number) => Promise<string[]> | string[];
}

function route(...decorators: MethodDecorator[]): Type {
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

const library = (ground: Ground): ModuleMetadata['imports'] => [WechatModule.forRoot(optionsOn(ground))];

const realLogins = (app: NestFastifyApplication, count: number): Promise<string[]> => {
  skipWechat(app);
  return logIn(app, count);
};

/** The bytes of a token of ours, for routes that do not look at it: headers cost, too. */
const unreadTokens = (_: unknown, count: number): string[] =>
  Array.from({ length: count }, () => `srd_${randomBytes(32).toString('base64url')}`);

// What a team would write by hand, and keep sealed: header, hash, one GET, AES-256-GCM around JSON, opened on each request.

const FLOOR_KEY = createSecretKey(randomBytes(32));

@Injectable()
class SealedFloorGuard implements CanActivate {
  constructor(@Inject('redis') private readonly redis: { get(key: string): Promise<Buffer | null> }) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: unknown }>();
    const sealed = await this.redis.get(floorKey(bearerOf(request)));
    if (!sealed) throw new UnauthorizedException();
    const decipher = createDecipheriv('aes-256-gcm', FLOOR_KEY, sealed.subarray(0, 12)).setAuthTag(sealed.subarray(12, 28));
    request.user = JSON.parse(Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString());
    return true;
  }
}

const floorKey = (token: string): string => `floor:${hash('sha256', token, 'base64url')}`;

function bearerOf({ headers }: { headers: Record<string, string> }): string {
  const [scheme, token] = headers['authorization']?.split(' ') ?? [];
  if (scheme !== 'Bearer' || !token) throw new UnauthorizedException();
  return token;
}

async function floorModule({ redis }: Ground): Promise<ModuleMetadata> {
  const client = await createClient({ url: redis }).connect();
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return { controllers: [route(UseGuards(SealedFloorGuard))], providers: [SealedFloorGuard, { provide: 'redis', useValue: bytes }] };
}

async function floorLogins(app: NestFastifyApplication, count: number): Promise<string[]> {
  const redis = app.get<{ set(key: string, value: Buffer, options: object): Promise<unknown> }>('redis');
  const tokens = Array.from({ length: count }, () => randomBytes(32).toString('base64url'));
  await Promise.all(tokens.map((token) => redis.set(floorKey(token), sealedUser(), { EX: 86_400 })));
  return tokens;
}

function sealedUser(): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', FLOOR_KEY, nonce);
  const text = JSON.stringify({
    openid: newOpenid(),
    appId: 'wx0123456789abcdef',
    issuedAt: Date.now(),
    expiresAt: Date.now() + 86_400_000,
  });
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

// JSON Web Tokens: nothing is stored, and nothing can be revoked. The secret is a KeyObject, which is their fast way.

const JWT_KEY = createSecretKey(randomBytes(32));

@Injectable()
class NestJwtGuard implements CanActivate {
  constructor(@Inject(JwtService) private readonly jwt: JwtService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: unknown }>();
    const token = bearerOf(request);
    request.user = await this.jwt.verifyAsync(token, { secret: JWT_KEY as never }).catch(unauthorized);
    return true;
  }
}

class FastifyJwtGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    await context.switchToHttp().getRequest<{ jwtVerify(): Promise<unknown> }>().jwtVerify().catch(unauthorized);
    return true;
  }
}

@Injectable()
class PassportJwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: JWT_KEY as never });
  }

  validate(payload: object): object {
    return payload;
  }
}

function unauthorized(): never {
  throw new UnauthorizedException();
}

const signer = JwtModule.register({ signOptions: { expiresIn: '1d' } });

function signed(app: NestFastifyApplication, count: number): string[] {
  const jwt = app.get(JwtService, { strict: false });
  return Array.from({ length: count }, () => jwt.sign({ sub: newOpenid(), appId: 'wx0123456789abcdef' }, { secret: JWT_KEY as never }));
}

@Controller()
class LoginController {
  constructor(@Inject(SessionService) private readonly sessions: SessionService) {}

  @Post('login')
  async login(@Query('code') code: string): Promise<object> {
    const { session_rd, expiresIn } = await this.sessions.login(code);
    return { session_rd, expiresIn };
  }
}

export const STACKS = {
  bare: { module: () => ({ controllers: [route()] }), tokens: unreadTokens },
  public: { module: (ground) => ({ imports: library(ground), controllers: [route()] }), tokens: realLogins },
  guarded: { module: (ground) => ({ imports: library(ground), controllers: [route(UseGuards(SessionGuard))] }), tokens: realLogins },
  passport: {
    module: (ground) => ({
      imports: [...library(ground)!, PassportModule],
      controllers: [route(UseGuards(WechatAuthGuard))],
      providers: [WechatSessionStrategy],
    }),
    tokens: realLogins,
  },
  sealedFloor: { module: floorModule, tokens: floorLogins },
  nestJwt: {
    module: () => ({ imports: [signer], controllers: [route(UseGuards(NestJwtGuard))], providers: [NestJwtGuard] }),
    tokens: signed,
  },
  fastifyJwt: {
    module: () => ({ imports: [signer], controllers: [route(UseGuards(FastifyJwtGuard))] }),
    prepare: (app) => app.register(fastifyJwt as never, { secret: JWT_KEY.export() } as never),
    tokens: signed,
  },
  passportJwt: {
    module: () => ({
      imports: [signer, PassportModule],
      controllers: [route(UseGuards(AuthGuard('jwt')))],
      providers: [PassportJwtStrategy],
    }),
    tokens: signed,
  },
  login: { module: (ground) => ({ imports: library(ground), controllers: [LoginController] }), tokens: () => [] },
  instantLogin: {
    module: (ground) => ({ imports: library(ground), controllers: [LoginController] }),
    prepare: (app) => skipWechat(app),
    tokens: () => [],
  },
} satisfies Record<string, Stack>;

export type StackName = keyof typeof STACKS;
