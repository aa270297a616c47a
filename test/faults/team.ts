import { Test } from '@nestjs/testing';
import type { TestingModule } from '@nestjs/testing';
import {
  AccessTokenService,
  SessionService,
  WechatApiClient,
  WechatEvents,
  WechatModule,
} from 'nestjs-wechat';
import type { WechatModuleOptions } from 'nestjs-wechat';
import type { RecordedRequest, WechatSandbox } from 'nestjs-wechat-sandbox';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import type { TestRedis } from '../support/redis.js';
import { optionsFor } from '../support/team-app.js';

/** An instance in this process, without HTTP, so that each trial can afford instances with empty caches. */
export interface Member {
  sessions: SessionService;
  tokens: AccessTokenService;
  api: WechatApiClient;
  events: WechatEvents;
  close(): Promise<void>;
}

/** Connections that trials share. A trial needs instances with empty caches, but no new sockets. */
export class Connections {
  private constructor(readonly stores: RedisStore[]) {}

  /** Opens stores on one Redis, with one connection each. */
  static async open(url: string, count = 4): Promise<Connections> {
    return new Connections(
      await Promise.all(Array.from({ length: count }, () => RedisStore.open({ url }))),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.stores.map((store) => store.close()));
  }
}

/** Starts an instance for each connection. */
export async function startMembers(
  wechat: WechatSandbox,
  { stores }: Connections,
  more: Partial<WechatModuleOptions> = {},
): Promise<Member[]> {
  return Promise.all(stores.map((store) => startMember(optionsFor(wechat, { store, ...more }))));
}

export async function startMember(options: WechatModuleOptions): Promise<Member> {
  const module: TestingModule = await Test.createTestingModule({
    imports: [WechatModule.forRoot(options)],
  }).compile();
  return {
    sessions: module.get(SessionService),
    tokens: module.get(AccessTokenService),
    api: module.get(WechatApiClient),
    events: module.get(WechatEvents),
    close: () => module.close(),
  };
}

/** Counts the requests to WeChat from now on. The length of `wechat.requests` would not do: it is limited to 10,000. */
export function tally(
  wechat: WechatSandbox,
): (is: (request: RecordedRequest) => boolean) => number {
  const mark = wechat.requests.at(-1);
  return (is) =>
    wechat.requests.slice(mark ? wechat.requests.lastIndexOf(mark) + 1 : 0).filter(is).length;
}

/** Deletes all data of this Redis. */
export async function wipe(redis: TestRedis): Promise<void> {
  await redis.run('FLUSHALL');
}

export function any<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)]!;
}
