import { Inject, Injectable, UseGuards } from '@nestjs/common';
import type {
  CanActivate,
  ExecutionContext,
  INestApplication,
  ModuleMetadata,
  Type,
} from '@nestjs/common';
import { createCipheriv, createDecipheriv, createSecretKey, hash, randomBytes } from 'node:crypto';
import { createClient, RESP_TYPES } from 'redis';
import { APP, newOpenid } from '../library.js';
import type { Ground } from '../library.js';
import { bearerOf, bearers, route, unauthorized } from './stack.js';
import type { Credentials, GuardedRequest, Stack } from './stack.js';

/** The commands of Redis that a request (`get`) and a login (`set`) need. */
interface Bytes {
  get(key: string): Promise<Buffer | null>;
  set(key: string, value: Buffer, options: { EX: number }): Promise<unknown>;
}

const REDIS = Symbol('redis');
const KEY = createSecretKey(randomBytes(32));
const DAY = 86_400;

/** The simplest guard without a library: header, hash, one GET, JSON. */
@Injectable()
class FloorGuard implements CanActivate {
  constructor(@Inject(REDIS) private readonly redis: Bytes) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    const stored = await this.redis.get(keyOf(bearerOf(request)));
    request.user = JSON.parse(this.textOf(stored ?? unauthorized()));
    return true;
  }

  protected textOf(stored: Buffer): string {
    return stored.toString();
  }
}

/** The same with an encrypted record: each request decrypts the JSON with AES-256-GCM. */
@Injectable()
class SealedFloorGuard extends FloorGuard {
  protected override textOf(sealed: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', KEY, sealed.subarray(0, 12)).setAuthTag(
      sealed.subarray(12, 28),
    );
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString();
  }
}

function seal(text: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', KEY, nonce);
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

const keyOf = (token: string): string => `floor:${hash('sha256', token, 'base64url')}`;

function newUser(): Buffer {
  const now = Date.now();
  return Buffer.from(
    JSON.stringify({
      openid: newOpenid(),
      appId: APP.appId,
      issuedAt: now,
      expiresAt: now + DAY * 1_000,
    }),
  );
}

const moduleWith =
  (guard: Type<CanActivate>) =>
  async ({ redis }: Ground): Promise<ModuleMetadata> => {
    const client = await createClient({ url: redis }).connect();
    const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    return {
      controllers: [route(UseGuards(guard))],
      providers: [guard, { provide: REDIS, useValue: bytes }],
    };
  };

const loginsKept =
  (encode: (user: Buffer) => Buffer) =>
  async (app: INestApplication, count: number): Promise<Credentials> => {
    const redis = app.get<Bytes>(REDIS);
    const tokens = Array.from({ length: count }, () => randomBytes(32).toString('base64url'));
    await Promise.all(
      tokens.map((token) => redis.set(keyOf(token), encode(newUser()), { EX: DAY })),
    );
    return bearers(tokens);
  };

export const FLOORS = {
  floor: { module: moduleWith(FloorGuard), credentials: loginsKept((user) => user) },
  sealedFloor: { module: moduleWith(SealedFloorGuard), credentials: loginsKept(seal) },
} satisfies Record<string, Stack>;
