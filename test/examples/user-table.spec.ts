import type { INestApplication } from '@nestjs/common';
import { getRepositoryToken } from '@nestjs/typeorm';
import { Test } from '@nestjs/testing';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Repository } from 'typeorm';
import { AppModule } from '../../examples/user-table/src/app.module.js';
import type { PrismaService } from '../../examples/user-table/src/prisma/prisma.service.js';
import { UsersService as PrismaUsersService } from '../../examples/user-table/src/prisma/users.service.js';
import { User } from '../../examples/user-table/src/user.entity.js';
import { UsersService } from '../../examples/user-table/src/users.service.js';
import { createEmptyOnPostgres, onPostgres } from '../support/databases.js';
import type { AppDatabase } from '../support/databases.js';
import { clientOf } from '../support/http.js';
import type { AppResponse, Call } from '../support/http.js';

/** The two calls of Prisma's client, on the table of the example. */
const prismaOn = (users: Repository<User>): PrismaService => ({
  user: {
    async upsert({ where: { appId_openid: key }, create, update }) {
      await users.upsert({ ...create, ...update }, ['appId', 'openid']);
      return users.findOneByOrFail(key);
    },
    findUnique: ({ where: { appId_openid: key } }) => users.findOneBy(key),
  },
});

/** The application of docs/getting-started.md. */
onPostgres('the user table', (bin) => {
  let database: AppDatabase<{ url: string }>;
  let wechat: WechatSandbox;
  let alice: SandboxUser;
  let app: INestApplication;
  let call: (route: string, call?: Call) => Promise<AppResponse>;
  const environment = { ...process.env };

  beforeAll(async () => {
    wechat = await startWechatSandbox();
  });
  afterAll(async () => {
    process.env = environment;
    await wechat?.close();
  });
  afterEach(async () => {
    await app.close();
    await database.remove();
  });

  const users = () => app.get<Repository<User>>(getRepositoryToken(User));

  async function start(prisma: boolean): Promise<void> {
    database = await createEmptyOnPostgres(bin);
    const [{ appId, secret }] = wechat.apps as [WechatSandbox['apps'][0]];
    Object.assign(process.env, {
      DATABASE_URL: database.config.url,
      WECHAT_API_BASE_URL: wechat.url,
      WECHAT_MINI_APP_ID: appId,
      WECHAT_MINI_APP_SECRET: secret,
      WECHAT_API_TIMEOUT: '30s', // for a busy machine
    });
    const module = Test.createTestingModule({ imports: [AppModule] });
    if (prisma)
      module.overrideProvider(UsersService).useFactory({
        inject: [getRepositoryToken(User)],
        factory: (table: Repository<User>) => new PrismaUsersService(prismaOn(table)),
      });
    app = (await module.compile()).createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    call = clientOf(await app.getUrl());
    alice = wechat.users.create({ phoneNumber: '13580006666' });
  }

  it.each([
    ['TypeORM', false],
    ['Prisma', true],
  ])('with %s has one row for a user, from login to logout', async (_, prisma) => {
    await start(prisma);
    const logins = await Promise.all(
      [alice.login(), alice.login(), alice.login()].map(async (code) =>
        call('POST /auth/login', { body: await code }),
      ),
    );
    expect(logins.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(await users().count()).toBe(1);
    const [{ body: login }] = logins as [AppResponse];
    expect(login.user).toMatchObject({ openid: alice.openid(), unionid: alice.unionid() });

    const token = login.session_rd;
    expect((await call('GET /me', { token })).body).toEqual(login.user);
    const phone = await call('POST /me/phone', { token, body: await alice.getPhoneNumber() });
    expect(phone.body.phoneNumber).toBe('13580006666');

    const refreshed = await call('POST /auth/refresh', { token });
    const next = refreshed.body.session_rd;
    expect((await call('GET /me', { token: next })).status).toBe(200);
    expect((await call('POST /auth/logout', { token: next })).status).toBe(201);
    expect((await call('GET /me', { token: next })).status).toBe(401);
  });

  it('revokes the session that the client sends with a login, and refuses a user without a row', async () => {
    await start(false);
    const login = async (token?: string) =>
      (await call('POST /auth/login', { token, body: await alice.login() })).body.session_rd;
    const first = await login();
    const second = await login(first);
    expect((await call('GET /me', { token: first })).status).toBe(401);
    await users().delete({ openid: alice.openid() });
    expect((await call('GET /me', { token: second })).status).toBe(401);
  });
});
