import { Controller, Headers, Post, Query } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { SessionService } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { MapStore } from '../faults/bare.js';
import { isFull, often, trials } from '../faults/rows.js';
import { any } from '../faults/team.js';
import { closeTeamApps, optionsFor, startTeamApp, TeamController } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const APP_IDS = ['wx1111111111111111', 'wx2222222222222222'];
const USERS = isFull ? 500 : 100;
const AT_ONCE = 100;
/** The steps of each user. All users run at the same time. */
const STEPS = isFull ? 40 : 4;

/** A login as in an application: a session that the client presents is only used to end it. */
@Controller()
class LoginController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  async login(
    @Query('code') code: string,
    @Headers('x-session-rd') replaces?: string,
  ): Promise<{ session_rd: string }> {
    const { session_rd } = await this.sessions.login(code, { replaces });
    return { session_rd };
  }
}

let wechat: WechatSandbox;
let store: MapStore;
let apps: TeamApp[];

beforeAll(async () => {
  wechat = await startWechatSandbox({
    apps: APP_IDS.map((appId) => ({ appId, secret: appId.repeat(2) })),
    quotas: { '/sns/jscode2session': { perDay: 1e9, perMinute: 1e9 } },
  });
  store = new MapStore();
  const controllers = [TeamController, LoginController];
  apps = await Promise.all(
    [1, 2].map(() =>
      startTeamApp(optionsFor(wechat, { store, api: { baseUrl: wechat.url, timeout: '1m' } }), {
        controllers,
      }),
    ),
  );
});
afterAll(async () => {
  await closeTeamApps();
  await wechat.close();
});

const status = async (token: string): Promise<number> => (await any(apps).as(token, '/me')).status;

describe('a login', () => {
  const logIn = async (
    user: SandboxUser,
    headers: Record<string, string> = {},
    query = '',
  ): Promise<string> => {
    const { code } = await user.login();
    const response = await any(apps).fetch(`/login?code=${code}${query}`, {
      method: 'POST',
      headers,
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('set-cookie')).toBeNull();
    return ((await response.json()) as { session_rd: string }).session_rd;
  };

  it('P2 accepts no token that the client chose: it returns a new one, and the chosen one stays invalid', async () => {
    const chosen = `srd_${randomBytes(32).toString('base64url')}`;
    const planted = await logIn(wechat.users.create()); // a valid one, of the attacker
    const victim = wechat.users.create();
    const tokens = new Set([chosen, planted]);
    for (const token of [chosen, planted]) {
      const tricks: [Record<string, string>, string?][] = [
        [{ authorization: `Bearer ${token}` }],
        [{ 'x-session-rd': token }],
        [{ cookie: `session_rd=${token}; connect.sid=${token}` }],
        [{ 'x-session-id': token, 'x-auth-token': token, 'session-rd': token, session_rd: token }],
        [
          {
            'x-forwarded-authorization': `Bearer ${token}`,
            'sec-websocket-protocol': `session-rd.${token}`,
          },
        ],
        [{}, `&session_rd=${token}&token=${token}&replaces=${token}&sid=${token}`],
      ];
      for (const [headers, query] of tricks) {
        const sessionRd = await logIn(victim, headers, query);
        expect(tokens.has(sessionRd)).toBe(false);
        tokens.add(sessionRd);
        expect(await (await any(apps).as(sessionRd, '/me')).json()).toMatchObject({
          openid: victim.openid(),
        });
      }
    }
    expect(await status(chosen)).toBe(401);
    expect(await status(planted)).toBe(401); // it was presented as the session to replace, so it was ended and not reused (CVE-2022-25896)
  });

  it.each(trials(1000, 20))(
    'P3 ends the session that the client presented, and creates a new one',
    async () => {
      const user = wechat.users.create();
      const old = await logIn(user);
      const sessionRd = await logIn(user, { 'x-session-rd': old });
      expect([sessionRd === old, await status(old), await status(sessionRd)]).toEqual([
        false,
        401,
        200,
      ]);
    },
  );
});

describe('users of two mini programs', () => {
  /** Runs all steps of one user in one app. Checks that every response belongs to this user. */
  const live = async (user: SandboxUser, appId: string): Promise<number> => {
    const sessions = (): SessionService => any(apps).get(SessionService);
    const logIn = async (): Promise<string> =>
      (await sessions().login((await user.login(appId)).code, { appId })).session_rd;
    const own = { appId, openid: user.openid(appId) };
    let token = await logIn();
    let checked = 0;
    for (let step = 0; step < STEPS; step++) {
      const response = await any(apps).as(token, '/me');
      expect([response.status, await response.json()]).toEqual([200, expect.objectContaining(own)]);
      const session = await sessions().find(token);
      expect(await sessions().list(session)).toHaveLength(1);
      checked++;
      const act = any(['refresh', 'again', 'leave', 'leaveAll', 'stay', 'stay'] as const);
      if (act === 'refresh') token = (await sessions().refresh(token)).session_rd;
      if (act === 'leave') await sessions().revoke(token);
      if (act === 'leaveAll') expect(await sessions().revokeAll(session)).toBe(1);
      if (act === 'leave' || act === 'leaveAll') expect(await status(token)).toBe(401);
      if (act === 'again')
        token = (await sessions().login((await user.login(appId)).code, { appId, replaces: token }))
          .session_rd;
      else if (act !== 'refresh' && act !== 'stay') token = await logIn();
    }
    return checked;
  };

  it(`P24 never get each other's data, ${AT_ONCE} of them at once${often(USERS * APP_IDS.length)}`, async () => {
    const users = Array.from({ length: USERS }, () => wechat.users.create());
    const checked: number[] = [];
    while (users.length > checked.length / APP_IDS.length) {
      const crowd = users.slice(checked.length / APP_IDS.length).slice(0, AT_ONCE); // the backlog of a socket is limited
      checked.push(
        ...(await Promise.all(crowd.flatMap((user) => APP_IDS.map((appId) => live(user, appId))))),
      );
    }
    expect(checked).toEqual(Array(USERS * APP_IDS.length).fill(STEPS));
    const openids = users.flatMap((user) => APP_IDS.map((appId) => user.openid(appId)));
    expect(new Set(openids).size).toBe(openids.length);
  });
});
