import { Logger } from '@nestjs/common';
import { WechatCache } from './wechat.cache.js';

const HOUR = 3_600_000;
const response = (text: string) => jest.fn(async () => text);

describe('WechatCache', () => {
  let logged: jest.SpyInstance;
  beforeEach(() => {
    logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
  });
  afterEach(() => jest.restoreAllMocks());

  describe('in this process', () => {
    it('requests a value once', async () => {
      const cache = new WechatCache();
      const request = response('image');
      expect(await cache.wrap('a', HOUR, request)).toBe('image');
      expect(await cache.wrap('a', HOUR, request)).toBe('image');
      expect(request).toHaveBeenCalledTimes(1);
    });

    it('shares one request between concurrent calls', async () => {
      const cache = new WechatCache();
      const request = response('image');
      await Promise.all(Array.from({ length: 50 }, () => cache.wrap('a', HOUR, request)));
      expect(request).toHaveBeenCalledTimes(1);
    });

    it('does not cache a failure', async () => {
      const cache = new WechatCache();
      await expect(cache.wrap('a', HOUR, () => Promise.reject(new Error('45009')))).rejects.toThrow(
        '45009',
      );
      expect(await cache.wrap('a', HOUR, response('image'))).toBe('image');
    });

    it('holds 64 MB at most, and drops the least recently used value', async () => {
      const cache = new WechatCache();
      const megabyte = 'x'.repeat(1024 * 1024);
      for (let i = 0; i < 70; i++) await cache.wrap(`image ${i}`, HOUR, response(megabyte));
      const [oldest, newest] = [response('again'), response('again')];
      await cache.wrap('image 69', HOUR, newest);
      await cache.wrap('image 0', HOUR, oldest);
      expect([oldest.mock.calls.length, newest.mock.calls.length]).toEqual([1, 0]);
    });
  });

  describe("in the application's cache", () => {
    it('reads and writes values, with the time to live in milliseconds', async () => {
      const entries = new Map<string, unknown>();
      const set = jest.fn(async (key: string, value: string, _ttlMs: number) =>
        entries.set(key, value),
      );
      const cache = new WechatCache({ get: async (key) => entries.get(key), set });
      const request = response('image');
      await cache.wrap('a', HOUR, request);
      await cache.wrap('a', HOUR, request);
      expect(set).toHaveBeenCalledTimes(1);
      expect(set).toHaveBeenCalledWith('a', 'image', HOUR);
      expect(request).toHaveBeenCalledTimes(1);
    });

    it.each([null, undefined, 42, { some: 'thing' }])(
      'requests the value if the cache returns %p',
      async (value) => {
        const cache = new WechatCache({ get: async () => value, set: async () => undefined });
        expect(await cache.wrap('a', HOUR, response('image'))).toBe('image');
      },
    );

    it('counts as empty if it rejects, which is logged once a minute', async () => {
      const fail = () => Promise.reject(new Error('connection refused'));
      const cache = new WechatCache({ get: fail, set: fail });
      for (let i = 0; i < 3; i++) expect(await cache.wrap('a', HOUR, response('b'))).toBe('b');
      await new Promise(setImmediate);
      expect(logged.mock.calls).toEqual([
        [expect.stringContaining("The application's cache failed: Error: connection refused")],
      ]);
    });

    it('counts as empty if it does not respond', async () => {
      const never = () => new Promise<never>(() => {});
      const cache = new WechatCache({ get: never, set: never });
      expect(await cache.wrap('a', HOUR, response('image'))).toBe('image');
    });
  });
});
