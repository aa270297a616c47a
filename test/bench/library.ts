import type { INestApplicationContext } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { SessionService } from 'nestjs-wechat';
import type { WechatApp, WechatModuleOptions } from 'nestjs-wechat';
import { PlatformClient } from '../../libs/wechat/src/platform/platform.client.js';

/** What a process of the benchmark is told. Without a Redis the library keeps sessions in its memory. */
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

/** WeChat's answers without WeChat: a new user for each code, in no time. */
export function skipWechat(app: INestApplicationContext, { unionid = false } = {}): void {
  const answer = (): Record<string, unknown> => ({
    openid: newOpenid(),
    session_key: randomBytes(16).toString('base64'),
    ...(unionid && { unionid: newOpenid() }),
  });
  app.get(PlatformClient).json = async () => answer();
}

/** As many as the library asks its Redis for at once without a busy machine losing patience. */
const AT_ONCE = 256;

/** Real logins, except for WeChat's part. */
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

/** 28 characters, the first of which is always this one. */
export function newOpenid(): string {
  return `o${randomBytes(21).toString('base64url').slice(1)}`;
}

/** As long as a token of ours and as hard to tell from one. */
export function invented(): string {
  return `srd_${randomBytes(32).toString('base64url')}`;
}
