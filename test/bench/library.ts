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

export const APP: WechatApp = { appId: 'wx0123456789abcdef', secret: '0123456789abcdef0123456789abcdef', kind: 'mini-program' };

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

/** Real logins, except for WeChat's part. */
export async function logIn(app: INestApplicationContext, count: number): Promise<string[]> {
  const sessions = app.get(SessionService);
  const issued = await Promise.all(Array.from({ length: count }, (_, i) => sessions.login(`code${i}`)));
  return issued.map(({ session_rd }) => session_rd);
}

/** 28 characters, the first of which is always this one. */
export function newOpenid(): string {
  return `o${randomBytes(21).toString('base64url').slice(1)}`;
}
