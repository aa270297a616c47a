import { Body, Controller, Get, Injectable, Logger, Module, Post, UseGuards } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import {
  AccessTokenService,
  CurrentSession,
  ForApp,
  SessionGuard,
  SessionRd,
  SessionService,
  WechatAppRegistry,
  WechatConfigError,
  wechatOptionsFromEnv,
} from 'nestjs-wechat';
import type {
  IssuedSession,
  WechatApp,
  WechatAppKind,
  WechatModuleOptions,
  WechatSession,
} from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'pg';
import type { PoolClient } from 'pg';
import { Subject } from 'rxjs';
import { MapStore } from '../faults/bare.js';
import { onPostgres } from '../support/databases.js';
import { startPostgres } from '../support/postgres.js';
import type { Postgres } from '../support/postgres.js';
import { closeTeamApps, optionsFor, startTeamApp, TeamController } from '../support/team-app.js';
import type { Adapter, TeamApp } from '../support/team-app.js';

const SHOP = 'wx1111111111111111';
const CAFE = 'wx2222222222222222';
const KEYS = [{ id: 'k1', key: randomBytes(32) }];

// #region registry
@Injectable()
class DatabaseApps
  extends WechatAppRegistry
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  override readonly changes = new Subject<string>();
  private listener?: PoolClient;

  constructor(private readonly pool: Pool) {
    super();
  }

  async find(appId: string): Promise<WechatApp | undefined> {
    return this.one('app_id = $1', appId);
  }

  async default(kind: WechatAppKind): Promise<WechatApp | undefined> {
    return this.one('kind = $1 AND is_default', kind);
  }

  /** PostgreSQL notifies every instance: NOTIFY wechat_apps, 'wx…'. */
  async onApplicationBootstrap(): Promise<void> {
    this.listener = await this.pool.connect();
    this.listener.on('error', () => {}); // changes are then found within 30 s
    this.listener.on('notification', ({ payload }) => this.changes.next(payload ?? ''));
    await this.listener.query('LISTEN wechat_apps');
  }

  onApplicationShutdown(): void {
    this.listener?.release(true);
  }

  private async one(condition: string, value: string): Promise<WechatApp | undefined> {
    const { rows } = await this.pool.query<WechatApp>(
      `SELECT app_id AS "appId", secret, kind, name, push FROM wechat_apps WHERE ${condition}`,
      [value],
    );
    return rows[0];
  }
}
// #endregion registry

const TABLE = readFileSync(join(__dirname, 'app-registry.sql'), 'utf8');

/** The same registry without `changes`: an instance that finds changes within 30 seconds. */
class PolledApps extends WechatAppRegistry {
  queries = 0;

  constructor(private readonly apps: DatabaseApps) {
    super();
  }

  find(appId: string): Promise<WechatApp | undefined> {
    this.queries++;
    return this.apps.find(appId);
  }

  default(kind: WechatAppKind): Promise<WechatApp | undefined> {
    this.queries++;
    return this.apps.default(kind);
  }
}

@Controller()
class TenantController {
  constructor(
    private readonly sessions: SessionService,
    private readonly accessTokens: AccessTokenService,
  ) {}

  @Post('login')
  login(@Body() { code, appId }: { code: string; appId?: string }): Promise<IssuedSession> {
    return this.sessions.login(code, { appId });
  }

  @Post('refresh')
  refresh(@SessionRd() sessionRd = ''): Promise<IssuedSession> {
    return this.sessions.refresh(sessionRd);
  }

  @Get('access-token')
  @UseGuards(SessionGuard)
  accessToken(@CurrentSession() { appId }: WechatSession): Promise<string> {
    return this.accessTokens.get(appId);
  }

  @Get('cafe')
  @ForApp('cafe')
  cafe(): string {
    return 'cafe';
  }
}

onPostgres('Apps from a database', (bin) => {
  describe.each<Adapter>(['fastify', 'express'])('on %s', (adapter) => {
    let wechat: WechatSandbox;
    let postgres: Postgres;
    let pool: Pool;
    let polled: PolledApps;
    let listening: TeamApp;
    let polling: TeamApp;

    beforeAll(async () => {
      const apps = [SHOP, CAFE].map((appId) => ({ appId, secret: `secret-of-${appId}` }));
      wechat = await startWechatSandbox({ apps });
      postgres = await startPostgres(bin);
      pool = new Pool({ connectionString: await postgres.createDatabase() });
      pool.on('error', () => {});
      await pool.query(TABLE);
      await pool.query(
        `INSERT INTO wechat_apps VALUES ('${SHOP}', 'secret-of-${SHOP}', 'mini-program', 'shop', true)`,
      );
      const store = new MapStore();
      const options = (of: WechatModuleOptions['apps']): WechatModuleOptions => ({
        ...optionsFor(wechat, { store, encryptionKeys: KEYS }),
        apps: of,
      });
      @Module({
        providers: [{ provide: Pool, useValue: pool }, DatabaseApps],
        exports: [DatabaseApps],
      })
      class DatabaseModule {}
      const controllers = [TeamController, TenantController];
      listening = await startTeamApp(options(DatabaseApps), {
        adapter,
        controllers,
        imports: [DatabaseModule],
      });
      polled = new PolledApps(new DatabaseApps(pool));
      polling = await startTeamApp(options(polled), { adapter, controllers });
    });
    afterAll(async () => {
      await closeTeamApps();
      await pool.end().catch(() => {});
      await postgres.stop();
      await wechat.close();
    });
    afterEach(() => jest.restoreAllMocks());

    const login = async (app: TeamApp, appId?: string): Promise<Response> => {
      const { code } = await wechat.users.create().login(appId);
      const headers = { 'content-type': 'application/json' };
      return app.fetch('/login', {
        method: 'POST',
        headers,
        body: JSON.stringify({ code, appId }),
      });
    };
    const sessionOf = async (response: Response): Promise<string> => {
      expect(response.status).toBe(201);
      return ((await response.json()) as IssuedSession).session_rd;
    };
    const statuses = (sessionRd: string, path = '/me'): Promise<number[]> =>
      Promise.all([listening, polling].map(async (app) => (await app.as(sessionRd, path)).status));
    const textOf = async (app: TeamApp, sessionRd: string, path: string): Promise<string> =>
      (await app.as(sessionRd, path)).text();
    /** Runs SQL, and waits until the listening instance has got its notification. */
    const change = async (sql: string): Promise<void> => {
      const notified = new Promise((resolve) => {
        const subscription = listening.get(DatabaseApps).changes.subscribe((appId) => {
          subscription.unsubscribe();
          resolve(appId);
        });
      });
      await pool.query(sql);
      await notified;
    };
    const fetches = (): number =>
      wechat.requests.filter(({ path }) => path === '/cgi-bin/stable_token').length;

    it('serve a session on both instances, with one query in 30 seconds', async () => {
      const sessionRd = await sessionOf(await login(polling));
      await statuses(sessionRd);
      const before = polled.queries;
      for (let i = 0; i < 20; i++) expect(await statuses(sessionRd)).toEqual([200, 200]);
      expect(polled.queries).toBe(before);
      wechat.clock.advance('30s');
      expect(await statuses(sessionRd)).toEqual([200, 200]);
      expect(polled.queries).toBe(before + 1);
    });

    it('can be added: at once with changes, after 30 seconds without', async () => {
      expect((await login(listening, CAFE)).status).toBe(400);
      expect((await login(polling, CAFE)).status).toBe(400);
      await change(
        `INSERT INTO wechat_apps VALUES ('${CAFE}', 'secret-of-${CAFE}', 'mini-program', 'cafe')`,
      );
      const sessionRd = await sessionOf(await login(listening, CAFE));
      expect((await login(polling, CAFE)).status).toBe(400);
      wechat.clock.advance('30s');
      await sessionOf(await login(polling, CAFE));
      expect(await statuses(sessionRd, '/cafe')).toEqual([200, 200]);
      expect(await statuses(await sessionOf(await login(polling)), '/cafe')).toEqual([401, 401]);
    });

    it('can change their secret: the access token is fetched again, and sessions go on', async () => {
      const sessionRd = await sessionOf(await login(listening));
      expect(await statuses(sessionRd, '/access-token')).toEqual([200, 200]);
      const secret = wechat.resetSecret(SHOP);
      expect((await login(listening)).status).toBe(500); // WeChat refuses the old secret
      await change(`UPDATE wechat_apps SET secret = '${secret}' WHERE app_id = '${SHOP}'`);
      await sessionOf(await login(listening));
      const before = fetches();
      const token = await textOf(listening, sessionRd, '/access-token');
      expect(fetches()).toBe(before + 1);
      expect(JSON.stringify(wechat.requests.at(-1))).toContain(secret);
      wechat.clock.advance('30s');
      expect(await textOf(polling, sessionRd, '/access-token')).toBe(token);
      expect(fetches()).toBe(before + 1); // the other instance takes it from the store
      await sessionOf(await login(polling));
      expect(await statuses(sessionRd)).toEqual([200, 200]);
    });

    it('can be removed: their sessions are 401, those of other apps go on', async () => {
      const gone = await sessionOf(await login(listening, CAFE));
      const stays = await sessionOf(await login(listening));
      expect(await statuses(gone)).toEqual([200, 200]);
      await change(`DELETE FROM wechat_apps WHERE app_id = '${CAFE}'`);
      expect(await statuses(gone)).toEqual([401, 200]);
      wechat.clock.advance('30s');
      expect(await statuses(gone)).toEqual([401, 401]);
      const refreshed = await polling.fetch('/refresh', {
        method: 'POST',
        headers: { authorization: `Bearer ${gone}` },
      });
      expect(refreshed.status).toBe(401);
      expect((await login(listening, CAFE)).status).toBe(400);
      expect(await statuses(stays)).toEqual([200, 200]);
    });

    it('receive their pushes', async () => {
      const push = { token: 'AAAAA', aesKeys: ['a'.repeat(43)] };
      await change(
        `INSERT INTO wechat_apps VALUES ('${CAFE}', 'secret-of-${CAFE}', 'mini-program', 'cafe', false, '${JSON.stringify(push)}')`,
      );
      const url = `${listening.url}/wechat/push/${CAFE}`;
      wechat.configurePush(CAFE, { url, token: 'AAAAA', aesKey: push.aesKeys[0] });
      expect(await wechat.verifyPush(CAFE)).toMatchObject({ ok: true });
      await change(`UPDATE wechat_apps SET push = NULL WHERE app_id = '${CAFE}'`);
      expect(await wechat.verifyPush(CAFE)).toMatchObject({ ok: false, status: 404 });
    });

    it('that are not valid cause 500, and the log names the field and no value', async () => {
      const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
      await change(`UPDATE wechat_apps SET secret = 'CANARY secret' WHERE app_id = '${CAFE}'`);
      expect((await login(listening, CAFE)).status).toBe(500);
      const lines = JSON.stringify(logged.mock.calls);
      expect(lines).toContain('an app of the registry: secret is not an AppSecret');
      expect(lines).not.toContain('CANARY');
    });

    it('cause 503 and never 401 while the database is down', async () => {
      const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
      const sessionRd = await sessionOf(await login(listening));
      expect(await statuses(sessionRd)).toEqual([200, 200]);
      await postgres.stop();
      wechat.clock.advance('30s');
      expect(await statuses(sessionRd)).toEqual([503, 503]);
      expect((await login(polling)).status).toBe(503);
      expect(JSON.stringify(logged.mock.calls)).toContain('The app registry failed');
    });
  });
});

describe('A registry of apps', () => {
  class OneApp extends WechatAppRegistry {
    find = jest.fn((appId: string) => Promise.resolve({ ...APP, appId }));
    default = jest.fn(() => Promise.resolve(APP));
  }
  const APP: WechatApp = { appId: SHOP, secret: 'CANARY', kind: 'mini-program' };

  it('needs encryption keys, because derived keys would end with the secret', async () => {
    await expect(startTeamApp({ apps: OneApp })).rejects.toThrow(
      /encryptionKeys is required with a registry of apps.*openssl rand -base64 32/,
    );
    expect(() => wechatOptionsFromEnv({}, { apps: OneApp })).toThrow(
      /WECHAT_ENCRYPTION_KEYS is required/,
    );
  });

  it('can be read from nowhere else: the options of the environment come with it', () => {
    const WECHAT_ENCRYPTION_KEYS = `k1:${KEYS[0]!.key.toString('base64')}`;
    const options = wechatOptionsFromEnv({ WECHAT_ENCRYPTION_KEYS }, { apps: OneApp });
    expect(options.apps).toBe(OneApp);
  });

  it('is created if no module provides the class', async () => {
    const app = await startTeamApp({ apps: OneApp, encryptionKeys: KEYS });
    expect((await app.fetch('/me')).status).toBe(401);
    await app.close();
  });

  it('can be the provider of the abstract class, which must exist', async () => {
    const options = { apps: WechatAppRegistry, encryptionKeys: KEYS };
    await expect(startTeamApp(options)).rejects.toThrow(WechatConfigError);
    const registry = new OneApp();
    @Module({ providers: [{ provide: WechatAppRegistry, useValue: registry }] })
    class RegistryModule {}
    const wechat = await startWechatSandbox({ apps: [{ appId: SHOP, secret: 'CANARY' }] });
    const app = await startTeamApp(
      { ...options, api: { baseUrl: wechat.url } },
      { imports: [RegistryModule] },
    );
    const { code } = await wechat.users.create().login();
    await app.get(SessionService).login(code);
    expect(registry.default).toHaveBeenCalledWith('mini-program');
    await app.close();
    await wechat.close();
  });
});
