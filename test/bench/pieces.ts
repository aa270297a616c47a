import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { createDecipheriv, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decryptOpenData, SessionService, StoreUnavailableError, WechatModule, WechatStore } from 'nestjs-wechat';
import { encryptOpenData } from 'nestjs-wechat-sandbox';
import { SessionRecords } from '../../libs/wechat/src/session/session-records.js';
import { formatToken, loginId, newToken } from '../../libs/wechat/src/session/session-token.js';
import { UserRecords } from '../../libs/wechat/src/session/user-records.js';
import { answerQuestions } from './child.js';
import { APP, newOpenid, optionsOn } from './library.js';

/** Parts of the library without HTTP, in a process of their own. */
answerQuestions({ decrypt, fill, findTimes, heapGrowth });

const DAY = 86_400_000;
const apps = new Map<string, { sessions: SessionService; tokens: string[] }>();

/** How much slower all checks make a decryption: raw ÷ ours, once per round. */
function decrypt({ rounds, times }: { rounds: number; times: number }): number[] {
  const sessionKey = randomBytes(16).toString('base64');
  const watermark = { timestamp: Math.floor(Date.now() / 1_000), appid: APP.appId };
  const profile = { openId: newOpenid(), nickName: '微信用户', gender: 0, language: 'zh_CN', city: '', province: '', country: '' };
  const avatarUrl = `https://thirdwx.qlogo.cn/mmopen/vi_32/${'A'.repeat(86)}/132`;
  const plaintext = JSON.stringify({ ...profile, avatarUrl, unionId: newOpenid(), watermark });
  const sealed = encryptOpenData(sessionKey, randomBytes(16).toString('base64'), plaintext);
  const ours = (): unknown => decryptOpenData({ sessionKey, appId: APP.appId, openid: profile.openId, maxAge: DAY, ...sealed });
  const raw = (): unknown => rawDecrypt(sessionKey, sealed);
  if (JSON.stringify(ours()) !== plaintext || JSON.stringify(raw()) !== plaintext) throw new Error('A decryption is wrong');
  for (const run of [ours, raw]) timeOf(run, times); // warm-up
  return Array.from({ length: rounds }, () => timeOf(raw, times) / timeOf(ours, times));
}

function rawDecrypt(sessionKey: string, { encryptedData, iv }: { encryptedData: string; iv: string }): unknown {
  const aes = createDecipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), Buffer.from(iv, 'base64'));
  return JSON.parse(aes.update(encryptedData, 'base64', 'utf8') + aes.final('utf8'));
}

function timeOf(run: () => unknown, times: number): number {
  const started = performance.now();
  for (let i = 0; i < times; i++) run();
  return performance.now() - started;
}

/** Both records that a login leaves, without the login: a hundred thousand of those would take minutes. */
async function fill({ name, redis, count }: { name: string; redis?: string; count: number }): Promise<void> {
  const app = await start(redis);
  const tokens: string[] = [];
  while (tokens.length < count) {
    const batch = Array.from({ length: Math.min(200, count - tokens.length) }, () => patiently(() => addLogin(app)));
    tokens.push(...(await Promise.all(batch)));
  }
  apps.set(name, { sessions: app.get(SessionService), tokens });
}

function start(redis: string | undefined): Promise<INestApplicationContext> {
  @Module({ imports: [WechatModule.forRoot(optionsOn({ redis }))] })
  class PiecesModule {}
  return NestFactory.createApplicationContext(PiecesModule, { logger: false });
}

async function addLogin(app: INestApplicationContext): Promise<string> {
  const [token, openid, now] = [newToken(), newOpenid(), app.get(WechatStore).now()];
  const [id, loginExpiresAt] = [loginId(token), now + 7 * DAY];
  const times = { issuedAt: now, refreshedAt: now, expiresAt: now + DAY, loginExpiresAt };
  const stored = await app.get(SessionRecords).add(id, { appId: APP.appId, openid, ...times, secret: token.secret });
  if (!stored) throw new Error('Two sessions with one id');
  const user = { sessionKey: randomBytes(16).toString('base64'), since: now, logins: [{ id, issuedAt: now, loginExpiresAt }] };
  await app.get(UserRecords).change({ appId: APP.appId, openid }, () => user);
  return formatToken('srd', token, stored.key);
}

/** The library gives Redis up after its deadline, which a machine that does much else meets now and then. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      await sleep(300);
    }
  }
}

/** Microseconds of each find, one after the other. `among`: how many of the sessions come by at all. */
async function findTimes({ name, among, count }: { name: string; among?: number; count: number }): Promise<number> {
  const { sessions, tokens } = apps.get(name)!;
  const live = among === undefined ? tokens : tokens.slice(-among);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const token = live[Math.floor(Math.random() * live.length)]!;
    const started = performance.now();
    await patiently(() => sessions.find(token));
    times.push((performance.now() - started) * 1_000);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(count / 2)]!;
}

/** Megabytes that stay after so many finds, over more users than the memo of opened records holds. */
async function heapGrowth({ redis, finds }: { redis?: string; finds: number }): Promise<number> {
  await fill({ name: 'heap', redis, count: 20_000 });
  await findMany(2_000);
  const before = heap();
  await findMany(finds);
  return (heap() - before) / 1_048_576;
}

async function findMany(finds: number): Promise<void> {
  const { sessions, tokens } = apps.get('heap')!;
  const one = (): Promise<unknown> => patiently(() => sessions.find(tokens[Math.floor(Math.random() * tokens.length)]!));
  for (let done = 0; done < finds; done += 64) await Promise.all(Array.from({ length: 64 }, one));
}

function heap(): number {
  globalThis.gc!();
  globalThis.gc!(); // what the first run finalizes, the second one frees
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}
