import { Module } from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionService, StoreUnavailableError, WechatModule, WechatClock } from 'nestjs-wechat';
import { Keyring } from '../../libs/wechat/src/crypto/keyring.js';
import { SessionRepository } from '../../libs/wechat/src/session/session.repository.js';
import { TokenFormat } from '../../libs/wechat/src/session/session-token.js';
import { UserRepository } from '../../libs/wechat/src/session/user.repository.js';
import { serveTasks } from './child.js';
import { APP, newOpenid, optionsOn } from './library.js';
import { timesOfDecryption } from './decryption.js';
import { timesOfPushes } from './push-opening.js';

/** Measures parts of the library without HTTP, in a separate process. */
serveTasks({ timesOfDecryption, timesOfPushes, fill, someTokens, findTime });

const DAY = 86_400_000;
const BATCH = 200;
const apps = new Map<string, { sessions: SessionService; tokens: string[] }>();

/** Creates both records of each login with the library's own classes, without a call to WeChat. */
async function fill({
  name,
  redis,
  count,
}: {
  name: string;
  redis?: string;
  count: number;
}): Promise<void> {
  const app = await start(redis);
  const format = new TokenFormat(app.get(Keyring), 'srd');
  const tokens: string[] = [];
  while (tokens.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - tokens.length) }, () =>
      withRetries(() => addLogin(app, format)),
    );
    tokens.push(...(await Promise.all(batch)));
  }
  apps.set(name, { sessions: app.get(SessionService), tokens });
}

function start(redis: string | undefined): Promise<INestApplicationContext> {
  @Module({ imports: [WechatModule.forRoot(optionsOn({ redis }))] })
  class PiecesModule {}
  return NestFactory.createApplicationContext(PiecesModule, { logger: false });
}

async function addLogin(app: INestApplicationContext, tokens: TokenFormat): Promise<string> {
  const [token, openid, now] = [tokens.create(), newOpenid(), app.get(WechatClock).now()];
  const [{ id }, loginExpiresAt] = [token, now + 7 * DAY];
  const times = { issuedAt: now, refreshedAt: now, expiresAt: now + DAY, loginExpiresAt };
  const stored = await app
    .get(SessionRepository)
    .add(id, { appId: APP.appId, openid, ...times, secret: token.secret });
  if (!stored) throw new Error('Two sessions with one id');
  const user = {
    sessionKey: randomBytes(16).toString('base64'),
    since: now,
    sessions: [{ id, issuedAt: now, loginExpiresAt }],
  };
  await app.get(UserRepository).update({ appId: APP.appId, openid }, () => user);
  return tokens.format(token, stored.key);
}

/** Retries after a missed deadline of Redis, which is common on a busy machine. */
async function withRetries<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      await sleep(300);
    }
  }
}

/** Returns `count` tokens of a store, spread evenly from the first to the last. */
function someTokens({ name, count }: { name: string; count: number }): string[] {
  const { tokens } = apps.get(name)!;
  const step = Math.max(1, tokens.length / count);
  return Array.from(
    { length: Math.min(count, tokens.length) },
    (_, i) => tokens[Math.floor(i * step)]!,
  );
}

/** Returns the median duration in microseconds of sequential finds. `among` is the number of different sessions. */
async function findTime({
  name,
  among,
  count,
}: {
  name: string;
  among: number;
  count: number;
}): Promise<number> {
  const { sessions } = apps.get(name)!;
  const live = someTokens({ name, count: among });
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const token = live[Math.floor(Math.random() * live.length)]!;
    const started = performance.now();
    await withRetries(() => sessions.find(token));
    times.push((performance.now() - started) * 1_000);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(count / 2)]!;
}
