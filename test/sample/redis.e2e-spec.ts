import { mp3 } from '../support/audio.js';
import { file, uploadTo } from '../support/multipart.js';
import { SHOP } from '../support/central.js';
import { person, registered } from '../support/people.js';
import { describeRedis, TestRedis } from '../support/redis.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const UNLIMITED = '/wxa/getwxacodeunlimit';
/** The commands that docs/production-checklist.md allows. */
const COMMANDS = '+get +set +getdel +del +incrby +pttl +pexpire +eval +evalsha +time +ping';

describeRedis('the reference app on Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.end());

  it('uses only keys of wx:* and only the documented commands', async () => {
    await redis.run('ACL', 'SETUSER', 'app', 'on', '>secret', '~wx:*', ...COMMANDS.split(' '));
    const s = await start({ env: { REDIS_URL: redis.url.replace('//', '//app:secret@') } });
    const me = await person(s);
    const token = me.session_rd;
    const jwt = await registered(s, me);
    const calls: [string, object][] = [
      ['GET /account', { token: jwt }],
      ['GET /auth/sessions', { token }],
      ['POST /qrcodes', { token, body: { scene: 'a', width: 280 } }],
      ['GET /health/ready', {}],
    ];
    for (const [route, call] of calls)
      expect([route, (await s.call(route, call)).status]).toEqual([route, 200]);
    const upload = await uploadTo(s.url)('POST /recordings', token, [file(mp3(1000))]);
    expect(upload.status).toBe(201);
    const { status, body } = await s.call('POST /auth/refresh', { token });
    expect(status).toBe(200);
    const ended = await s.call('POST /auth/logout-all', { token: body.data.session_rd });
    expect([ended.status, ended.body.data]).toEqual([200, { ended: 1 }]);

    const keys = (await redis.run('KEYS', '*')) as string[];
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.filter((key) => !key.startsWith('wx:'))).toEqual([]);
    await s.close();
  });
});

describeRedis('the login limit of three instances', () => {
  let redis: TestRedis;
  let apps: Started[];
  beforeAll(async () => {
    redis = await TestRedis.start();
    const env = { REDIS_URL: redis.url, LOGIN_RATE_LIMIT: '6', TRUST_PROXY: '1' };
    apps = [await start({ env }), await start({ env }), await start({ env })];
  });
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await redis.end();
  });

  /** The statuses of attempts of one address, by turns on each instance. */
  const attempts = async (address: string, count: number): Promise<number[]> => {
    const request = { body: { code: 'unknown' }, headers: { 'x-forwarded-for': address } };
    const statuses: number[] = [];
    for (let n = 0; n < count; n++)
      statuses.push((await apps[n % apps.length]!.call('POST /auth/login', request)).status);
    return statuses;
  };
  const times = (count: number, status: number): number[] => Array<number>(count).fill(status);

  it('counts them together, and each for itself while Redis is down', async () => {
    expect(await attempts('1.1.1.1', 12)).toEqual([...times(6, 401), ...times(6, 429)]);
    expect(await redis.run('KEYS', 'wx:app:limit:*')).toEqual(['wx:app:limit:login:1.1.1.1']);
    await redis.end();
    expect(await attempts('2.2.2.2', 21)).toEqual([...times(18, 401), ...times(3, 429)]);
  });
});

describeRedis('CACHE_REDIS_URL', () => {
  let sessions: TestRedis;
  let cache: TestRedis;
  let apps: Started[];
  beforeAll(async () => {
    [sessions, cache] = [await TestRedis.start(), await TestRedis.start()];
    const env = { REDIS_URL: sessions.url, CACHE_REDIS_URL: cache.url, WECHAT_API_TIMEOUT: '30s' };
    const sandbox = { apps: [SHOP] };
    apps = [await start({ env, sandbox }), await start({ env, sandbox })];
  });
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await Promise.all([sessions.end(), cache.end()]);
  });

  const draw = async (s: Started, scene: string) => {
    const { session_rd: token } = await s.login();
    return s.call('POST /qrcodes', { token, body: { scene, width: 280 } });
  };
  const requests = (): number =>
    apps.reduce((sum, { wechat }) => sum + wechat.requestsTo(UNLIMITED).length, 0);

  it('shares mini-program codes between instances, outside the Redis of the sessions', async () => {
    // On a busy machine the sandbox draws for so long that the connection to the cache is lost; the next draw fills it.
    while (((await cache.run('DBSIZE')) as number) === 0)
      expect((await draw(apps[0]!, 'shared')).status).toBe(200);
    const before = requests();
    expect((await draw(apps[1]!, 'shared')).status).toBe(200);
    expect(requests()).toBe(before);
    const keys = (await sessions.run('KEYS', '*')) as string[];
    for (const key of keys)
      expect((await sessions.run('STRLEN', key)) as number).toBeLessThan(1_000);
  });

  it('that is down leads to one more request to WeChat and to no error', async () => {
    await cache.kill();
    const before = requests();
    expect((await draw(apps[0]!, 'shared')).status).toBe(200);
    expect(requests()).toBe(before + 1);
    expect((await apps[0]!.call('GET /health/ready')).status).toBe(200);
    await cache.start();
  });
});
