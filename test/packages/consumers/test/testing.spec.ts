import { strict as assert } from 'node:assert';
import { getSession, WechatStore } from 'nestjs-wechat';
import type { StoreCount, WechatRequest } from 'nestjs-wechat';
import {
  describeWechatStore,
  fakeSession,
  mockSessionGuard,
  setSession,
} from 'nestjs-wechat/testing';
import type { ExecutionContext } from '@nestjs/common';

/** A custom store. */
class MapStore extends WechatStore {
  private readonly entries = new Map<string, { value: Buffer; count: number; expiresAt: number }>();

  async get(key: string): Promise<Buffer | undefined> {
    return this.live(key)?.value;
  }

  async add(key: string, value: Buffer, ttlMs: number): Promise<boolean> {
    if (this.live(key)) return false;
    this.entries.set(key, { value, count: 0, expiresAt: Date.now() + ttlMs });
    return true;
  }

  async replace(key: string, expected: Buffer, value: Buffer, ttlMs: number): Promise<boolean> {
    if (!this.live(key)?.value.equals(expected)) return false;
    this.entries.set(key, { value, count: 0, expiresAt: Date.now() + ttlMs });
    return true;
  }

  async remove(key: string, expected?: Buffer): Promise<boolean> {
    const entry = this.live(key);
    if (!entry || (expected && !entry.value.equals(expected))) return false;
    return this.entries.delete(key);
  }

  async take(key: string): Promise<Buffer | undefined> {
    const entry = this.live(key);
    this.entries.delete(key);
    return entry?.value;
  }

  async count(key: string, by: number, windowMs: number): Promise<StoreCount> {
    const entry = this.live(key) ?? {
      value: Buffer.alloc(0),
      count: 0,
      expiresAt: Date.now() + windowMs,
    };
    entry.count += by;
    this.entries.set(key, entry);
    return { count: entry.count, resetsInMs: entry.expiresAt - Date.now() };
  }

  private live(key: string) {
    const entry = this.entries.get(key);
    return entry && entry.expiresAt > Date.now() ? entry : undefined;
  }
}

describeWechatStore('a store', () => new MapStore());

let closed = 0;
describeWechatStore('a store with a connection', async () => ({
  store: new MapStore(),
  close: () => closed++,
}));

describe('the suite of the store', () => {
  it('closes the store that it has tested', () => {
    assert.equal(closed, 1);
  });
});

const contextOf = (request: WechatRequest) =>
  ({
    getType: () => 'http',
    getHandler: () => contextOf,
    getArgByIndex: () => request,
  }) as unknown as ExecutionContext;

describe('a session for tests', () => {
  it('is set by a guard, or on a request', async () => {
    const request: WechatRequest = {};
    const context = contextOf(request);
    assert.equal(mockSessionGuard({ user: { name: 'Anna' } }).canActivate(context), true);
    assert.deepEqual(
      [request.user, getSession(context)?.openid],
      [{ name: 'Anna' }, 'fake-openid'],
    );

    setSession(request, fakeSession({ openid: 'o-bob' }));
    assert.deepEqual(request.user, { appId: 'wx0123456789abcdef', openid: 'o-bob' });

    setSession(context, null);
    assert.deepEqual([request.user, request.wechatSession], [undefined, null]);
  });
});
