import type { INestApplicationContext } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { SessionService } from 'nestjs-wechat';
import type { WechatApp, WechatModuleOptions } from 'nestjs-wechat';
import { PlatformClient } from '../../libs/wechat/src/platform/platform.client.js';

/** Options for a process of the benchmark. Without a Redis the library keeps sessions in memory. */
export interface Ground {
  redis?: string;
  wechat?: { url: string; apps: WechatApp[] };
}

export const APP: WechatApp = {
  appId: 'wx0123456789abcdef',
  secret: '0123456789abcdef0123456789abcdef',
  kind: 'mini-program',
};

export function optionsOn({ redis, wechat }: Ground): WechatModuleOptions {
  return {
    apps: wechat?.apps ?? [APP],
    ...(wechat && { api: { baseUrl: wechat.url } }),
    ...(redis !== undefined && { redis: { url: redis } }),
    session: { ttl: '1d' }, // longer than any run
  };
}

/** Replaces the calls to WeChat: each code gives a new user without delay. */
export function skipWechat(app: INestApplicationContext, { unionid = false } = {}): void {
  const response = (): Record<string, unknown> => ({
    openid: newOpenid(),
    session_key: randomBytes(16).toString('base64'),
    ...(unionid && { unionid: newOpenid() }),
  });
  app.get(PlatformClient).json = async () => response();
}

/** Parallel logins: few enough that Redis meets the deadline on a busy machine. */
const AT_ONCE = 256;

/** Logs in through the library. Only the calls to WeChat are replaced. */
export async function logIn(app: INestApplicationContext, count: number): Promise<string[]> {
  const sessions = app.get(SessionService);
  const tokens: string[] = [];
  while (tokens.length < count) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - tokens.length) }, (_, i) =>
      sessions.login(`code${tokens.length + i}`),
    );
    tokens.push(...(await Promise.all(batch)).map(({ session_rd }) => session_rd));
  }
  return tokens;
}

/** Returns 28 characters that start with `o`, like an openid of WeChat. */
export function newOpenid(): string {
  return `o${randomBytes(21).toString('base64url').slice(1)}`;
}

/** Returns a token that the library did not issue, in the format of its tokens. */
export function forgedToken(): string {
  return `srd_${randomBytes(32).toString('base64url')}`;
}
