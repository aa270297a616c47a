import { SessionService, WechatEvents, WechatStore } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const UNAUTHORIZED = {
  code: 1000,
  msg: 'unauthorized',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SESSION',
};

describe.each(['express', 'fastify'] as const)('a session on %s', (adapter) => {
  let wechat: WechatSandbox;
  let app: TeamApp;
  let sessions: SessionService;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat), { adapter });
    sessions = app.get(SessionService);
  });
  afterAll(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  const login = async (user = wechat.users.create()) => ({
    user,
    ...(await sessions.login((await user.login()).code)),
  });
  const status = async (sessionRd: string) => (await app.as(sessionRd, '/me')).status;

  it('is created by a login code and identifies the user', async () => {
    const { user, session_rd, expiresIn, session } = await login();
    expect(session_rd).toMatch(/^srd_[\w-]{43}$/);
    expect(expiresIn).toBe(1800);
    expect(session).toMatchObject({ openid: user.openid(), unionid: user.unionid() });
    const response = await app.as(session_rd, '/me');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      appId: wechat.apps[0]!.appId,
      openid: user.openid(),
      unionid: user.unionid(),
    });
    const byOwnHeader = await app.fetch('/me', { headers: { 'x-session-rd': session_rd } });
    expect(byOwnHeader.status).toBe(200);
  });

  it('never contains the session_key', async () => {
    const { user, session_rd, session } = await login();
    const body = await (await app.as(session_rd, '/session')).text();
    expect(body + JSON.stringify(session)).not.toContain(user.sessionKey());
    expect(Object.keys(JSON.parse(body)).toSorted()).toEqual([
      'appId',
      'expiresAt',
      'id',
      'issuedAt',
      'loginExpiresAt',
      'openid',
      'unionid',
    ]);
  });

  it('is refused with one and the same response for every invalid token, without a read of the store', async () => {
    const { session_rd } = await login();
    const get = jest.spyOn(app.get(WechatStore), 'get');
    const last = session_rd.at(-1)!;
    const swapped = session_rd.replace(/[a-zA-Z](?=.{0,20}$)/, (c) =>
      c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase(),
    );
    const invented = [
      ...[
        'srd_',
        `srd_${'A'.repeat(43)}`,
        `srd_${'A'.repeat(42)}`,
        `srd_${'A'.repeat(44)}`,
        `xyz_${session_rd.slice(4)}`,
        swapped,
      ],
      ...[
        session_rd + 'A',
        session_rd.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1),
        `${session_rd},${session_rd}`,
      ],
      ...['undefined', 'null', '[object', '*', '../', 'wx:lock', '{}', '0', 'é', 'a'.repeat(8000)],
    ];
    for (const token of invented) {
      const response = await app.fetch('/me', {
        headers: { authorization: `Bearer ${encodeURI(token)}` },
      });
      expect([
        response.status,
        response.headers.get('www-authenticate'),
        await response.json(),
      ]).toEqual([401, 'Bearer', UNAUTHORIZED]);
    }
    for (const headers of [
      {},
      { authorization: 'Bearer' },
      { authorization: `Basic ${session_rd}` },
      { authorization: session_rd },
      { cookie: `session_rd=${session_rd}` },
    ]) {
      const response = await app.fetch(`/me?session_rd=${session_rd}&token=${session_rd}`, {
        headers: headers as Record<string, string>,
      });
      expect([response.status, await response.json()]).toEqual([401, UNAUTHORIZED]);
    }
    expect(get).not.toHaveBeenCalled();
    expect(await status(session_rd)).toBe(200);
    expect(get).toHaveBeenCalledTimes(1);
    get.mockRestore();
  });

  it('is refused with 400 if two headers carry different tokens', async () => {
    const [one, two] = [await login(), await login()];
    const response = await app.fetch('/me', {
      headers: { authorization: `Bearer ${one.session_rd}`, 'x-session-rd': two.session_rd },
    });
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
      400,
      'ERR_BAD_REQUEST',
    ]);
  });

  it('expires after its ttl, even if it is used', async () => {
    const { session_rd } = await login();
    wechat.clock.advance('29m');
    expect(await status(session_rd)).toBe(200);
    wechat.clock.advance('61s');
    expect(await status(session_rd)).toBe(401);
    await expect(sessions.refresh(session_rd)).rejects.toMatchObject({
      code: 'ERR_WECHAT_SESSION',
    });
  });

  it('has one successor, which a repeated refresh returns again', async () => {
    const { session_rd } = await login();
    wechat.clock.advance('20m');
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => sessions.refresh(session_rd)),
    );
    const successors = new Set(responses.map((response) => response.session_rd));
    expect(successors.size).toBe(1);
    const [next = ''] = successors;
    wechat.clock.advance('59s');
    expect([await status(session_rd), await status(next)]).toEqual([200, 200]);
    expect((await sessions.refresh(session_rd)).session_rd).toBe(next);
    wechat.clock.advance('1s');
    expect([await status(session_rd), await status(next)]).toEqual([401, 200]);
  });

  it('has one successor for ten parallel refreshes with one request id, and for a retry', async () => {
    const { session_rd } = await login();
    const refresh = () => sessions.refresh(session_rd, { requestId: 'one refresh' });
    const responses = await Promise.all(Array.from({ length: 10 }, refresh));
    wechat.clock.advance('59s');
    const successors = new Set([...responses, await refresh()].map((next) => next.session_rd));
    expect(successors.size).toBe(1);
    expect(await status(session_rd)).toBe(200); // requests that were sent before the refresh still pass the guard
    wechat.clock.advance('1s');
    const [next = ''] = successors;
    expect([await status(session_rd), await status(next)]).toEqual([401, 200]);
  });

  it.each([
    ['another request id', 'first', 'second'],
    ['no request id', 'first', undefined],
    ['a request id that the first refresh did not have', undefined, 'second'],
  ])('is revoked when a replaced token is refreshed with %s', async (_, first, second) => {
    const { session_rd, session } = await login();
    const next = await sessions.refresh(session_rd, { requestId: first });
    const reused = jest.fn();
    const removeListener = app.get(WechatEvents).on('reuse', reused);
    await expect(sessions.refresh(session_rd, { requestId: second })).rejects.toMatchObject({
      code: 'ERR_WECHAT_SESSION',
    });
    expect([await status(session_rd), await status(next.session_rd)]).toEqual([401, 401]);
    removeListener();
    expect(reused).toHaveBeenCalledWith({
      session: expect.objectContaining({ id: session.id }),
    });
  });

  it('is refreshed with request ids of 1 to 128 printable ASCII characters; others are refused before the store is read', async () => {
    const { session_rd } = await login();
    const get = jest.spyOn(app.get(WechatStore), 'get');
    for (const requestId of [
      '',
      'a'.repeat(129),
      'a\nb',
      'é',
      '\u0000',
      1 as never,
      ['a'] as never,
    ])
      await expect(sessions.refresh(session_rd, { requestId })).rejects.toMatchObject({
        code: 'ERR_BAD_REQUEST',
      });
    expect(get).not.toHaveBeenCalled();
    get.mockRestore();
    const longest = { requestId: ' ~'.repeat(64) };
    const next = await sessions.refresh(session_rd, longest);
    expect((await sessions.refresh(session_rd, longest)).session_rd).toBe(next.session_rd);
  });

  it('is revoked when a token is refreshed that was replaced twice', async () => {
    const { session_rd: first } = await login();
    const { session_rd: second } = await sessions.refresh(first);
    const { session_rd: third } = await sessions.refresh(second);
    expect([await status(first), await status(second), await status(third)]).toEqual([
      401, 200, 200,
    ]);
    await expect(sessions.refresh(first)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
    expect([await status(second), await status(third)]).toEqual([401, 401]);
  });

  it('expires at its maximum age, even if it is refreshed', async () => {
    let { session_rd, session }: { session_rd: string; session: WechatSession } = await login();
    while (session.expiresAt < session.loginExpiresAt) {
      wechat.clock.advance('29m');
      ({ session_rd, session } = await sessions.refresh(session_rd));
    }
    expect(session.expiresAt).toEqual(session.loginExpiresAt);
    wechat.clock.advance('30m');
    expect(await status(session_rd)).toBe(401);
  });

  it('is revoked at once, with the replaced token and its successor', async () => {
    const { session_rd } = await login();
    const next = await sessions.refresh(session_rd);
    await sessions.revoke(session_rd); // within its grace time
    expect([await status(session_rd), await status(next.session_rd)]).toEqual([401, 401]);
    await sessions.revoke(session_rd);
    await sessions.revoke('nonsense');
  });

  it('stays revoked when a refresh races with the revocation', async () => {
    for (let i = 0; i < 50; i++) {
      const { session_rd } = await login();
      const [refreshed] = await Promise.allSettled([
        sessions.refresh(session_rd),
        sessions.revoke(session_rd),
      ]);
      expect(await status(session_rd)).toBe(401);
      if (refreshed.status === 'fulfilled')
        expect(await status(refreshed.value.session_rd)).toBe(401);
    }
  });

  it('replaces the session that the client sends with the login', async () => {
    const old = await login();
    const { session_rd } = await sessions.login((await old.user.login()).code, {
      replaces: old.session_rd,
    });
    expect(session_rd).not.toBe(old.session_rd);
    expect([await status(old.session_rd), await status(session_rd)]).toEqual([401, 200]);
  });

  it('lists the live sessions of a user and revokes one or all of them', async () => {
    const user = wechat.users.create();
    const phone = await login(user);
    wechat.clock.advance('1m');
    const tablet = await login(user);
    const stranger = await login();
    const list = await sessions.list(tablet.session);
    expect(list.map(({ id, current }) => [id, current])).toEqual([
      [phone.session.id, false],
      [tablet.session.id, true],
    ]);
    expect(JSON.stringify(list)).not.toContain('srd_');
    await expect(sessions.revokeById(stranger.session, phone.session.id)).rejects.toMatchObject({
      code: 'ERR_WECHAT_SESSION',
    });
    await sessions.revokeById(tablet.session, phone.session.id);
    expect([await status(phone.session_rd), await status(tablet.session_rd)]).toEqual([401, 200]);
    await login(user);
    expect(await sessions.revokeAll(tablet.session)).toBe(2);
    expect(await sessions.revokeAll(tablet.session)).toBe(0);
    expect([await status(tablet.session_rd), await status(stranger.session_rd)]).toEqual([
      401, 200,
    ]);
  });

  it('revokes all other sessions of a user and keeps the current one', async () => {
    const user = wechat.users.create();
    const [phone, tablet, laptop] = [await login(user), await login(user), await login(user)];
    const stranger = await login();
    expect(await sessions.revokeOthers(tablet.session)).toBe(2);
    expect(await sessions.revokeOthers(tablet.session)).toBe(0);
    const statuses = [phone, tablet, laptop, stranger].map((each) => status(each.session_rd));
    expect(await Promise.all(statuses)).toEqual([401, 200, 401, 200]);
    expect((await sessions.list(tablet.session)).map(({ id }) => id)).toEqual([tablet.session.id]);
  });

  it('lists and revokes the sessions of { appId, openid } without a session', async () => {
    const user = wechat.users.create();
    const [phone, tablet] = [await login(user), await login(user)];
    const { appId, openid } = phone.session;
    const list = await sessions.list({ appId, openid });
    expect(list.map(({ id, current }) => [id, current])).toEqual([
      [phone.session.id, false],
      [tablet.session.id, false],
    ]);
    await sessions.revokeById({ appId, openid }, phone.session.id);
    expect([await status(phone.session_rd), await status(tablet.session_rd)]).toEqual([401, 200]);
    expect(await sessions.revokeAll({ appId, openid })).toBe(1);
    expect(await status(tablet.session_rd)).toBe(401);
  });

  it('is kept for ten devices of a user; the oldest is revoked, also under fifty parallel logins', async () => {
    const user = wechat.users.create();
    const before = await login(user);
    wechat.clock.advance('1m');
    const codes = await Promise.all(
      Array.from({ length: 50 }, async () => (await user.login()).code),
    );
    const logins = await Promise.all(codes.map((code) => sessions.login(code)));
    const live = await Promise.all(
      logins.map(async ({ session_rd }) => (await status(session_rd)) === 200),
    );
    expect(live.filter(Boolean)).toHaveLength(10);
    expect(await status(before.session_rd)).toBe(401);
    expect(await sessions.list(logins[live.indexOf(true)]!.session)).toHaveLength(10);
  });

  it('is created once by parallel requests with the same code; a used code is refused later', async () => {
    const { code } = await wechat.users.create().login();
    const before = wechat.requestsTo('/sns/jscode2session').length;
    const responses = await Promise.all(Array.from({ length: 20 }, () => sessions.login(code)));
    expect(new Set(responses.map(({ session_rd }) => session_rd)).size).toBe(1);
    expect(wechat.requestsTo('/sns/jscode2session').length - before).toBe(1);
    await expect(sessions.login(code)).rejects.toMatchObject({
      code: 'ERR_WECHAT_CODE',
      errcode: 40163,
    });
  });

  it('is not created by a malformed code, and WeChat is not called', async () => {
    const before = wechat.requests.length;
    for (const code of [
      undefined,
      1,
      [],
      {},
      '',
      ' ',
      'x&appid=evil&secret=',
      '#',
      '%00',
      'a\nb',
      'é',
      '__proto__!',
      'a'.repeat(129),
    ]) {
      await expect(sessions.login(code as string)).rejects.toMatchObject({
        code: 'ERR_BAD_REQUEST',
      });
    }
    await expect(sessions.login('abc', { appId: 'wx0000000000000000' })).rejects.toMatchObject({
      code: 'ERR_WECHAT_APP',
    });
    expect(wechat.requests.length).toBe(before);
  });

  it('is not created without a code, and the error names the usual cause', async () => {
    await expect(sessions.login(undefined as unknown as string)).rejects.toThrow(
      'code is missing. Send a code of wx.login; a JSON body needs the header Content-Type: application/json',
    );
  });

  it('is not required by OptionalSessionGuard', async () => {
    const { user, session_rd } = await login();
    expect(await (await app.as(session_rd, '/greeting')).text()).toBe(`hello ${user.openid()}`);
    expect(await (await app.as('nonsense', '/greeting')).text()).toBe('hello stranger');
    expect(await (await app.fetch('/greeting')).text()).toBe('hello stranger');
  });

  it('provides no user to a handler without a guard', async () => {
    const { session_rd } = await login();
    expect((await app.as(session_rd, '/forgotten')).status).toBe(500);
  });
});
