import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox, WechatSandboxOptions } from 'nestjs-wechat-sandbox';
import { createApp } from '../../apps/sample/src/app.js';
import { readConfig } from '../../apps/sample/src/config.js';
import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { createAppDatabase } from './databases.js';
import { freePort } from './free-port.js';
import { clientOf } from './http.js';
import type { AppResponse, Call } from './http.js';
import { PUSH } from './push-messages.js';

/** The running reference app and its sandbox. */
export interface Started {
  app: NestFastifyApplication;
  url: string;
  wechat: WechatSandbox;
  /** The app's UPLOAD_DIR. `close` removes it. */
  uploads: string;
  /** The log lines of the app so far. */
  log: string[];
  call: (route: string, call?: Call) => Promise<AppResponse>;
  /** Logs a user of the sandbox in over HTTP. @default a new user */
  login: (user?: SandboxUser, call?: Call) => Promise<Login>;
  close: () => Promise<void>;
}

export interface Login extends Record<string, any> {
  session_rd: string;
  isNewUser: boolean;
}

export interface StartOptions {
  env?: Record<string, string | undefined>;
  /** @default a new one of `createAppDatabase`, which `close` removes */
  database?: DatabaseConfig;
  sandbox?: WechatSandboxOptions;
  /** A sandbox that several apps share. `close` leaves it running. @default a new one */
  wechat?: WechatSandbox;
  /** Whether the sandbox's first merchant is the merchant of the app, so that the shop is open. @default false */
  shop?: boolean;
  /** Whether the default mini program pushes messages to the app, in secure mode; `plain`: without encryption. @default false */
  push?: boolean | 'plain';
}

/** Starts the reference app with its own sandbox. The app uses the sandbox's clock for sessions. */
export async function start({
  env = {},
  database,
  sandbox = {},
  wechat: shared,
  shop = false,
  push = false,
}: StartOptions = {}): Promise<Started> {
  const wechat = shared ?? (await startWechatSandbox(sandbox));
  const closeSandbox = async (): Promise<void> => (shared ? undefined : wechat.close());
  const own = database ? undefined : await createAppDatabase();
  const port = shop || push ? await freePort() : 0;
  const uploads = await mkdtemp(join(tmpdir(), 'nestjs-wechat-uploads-'));
  const config = readConfig({
    LOG_LEVEL: 'silent',
    LOGIN_RATE_LIMIT: '0',
    ORDER_RATE_LIMIT: '0',
    UPLOAD_DIR: uploads,
    ...environmentFor(wechat),
    ...(shop && merchantOf(wechat, port)),
    ...(push && pushTo(wechat, port, push === 'plain')),
    ...env,
  });
  const log: string[] = [];
  Object.assign(config, {
    database: database ?? own?.config,
    wechat: { ...config.wechat, clock: wechat.clock.now },
  });
  const app = await createApp(config, { logTo: { write: (line) => void log.push(line) } }).catch(
    async (error: unknown) => {
      await closeSandbox(); // an open server keeps jest running
      await own?.remove();
      throw error;
    },
  );
  await app.listen(port, '127.0.0.1');
  const url = await app.getUrl();
  const call = clientOf(url);
  const login = async (
    user = wechat.users.create(),
    { body, ...rest }: Call = {},
  ): Promise<Login> => {
    const response = await call('POST /auth/login', {
      ...rest,
      body: { ...(await user.login()), ...(body as object) },
    });
    if (response.status !== 200)
      throw new Error(`login: ${response.status} ${JSON.stringify(response.body)}`);
    return response.body.data;
  };
  const close = async (): Promise<void> => {
    await app.close();
    await closeSandbox();
    await own?.remove();
    await rm(uploads, { recursive: true, force: true });
  };
  return { app, url, wechat, uploads, log, call, login, close };
}

/** The variables of WeChat Pay. The notify URL has its default. */
function merchantOf({ pay }: WechatSandbox, port: number): Record<string, string | undefined> {
  const PUBLIC_URL = `http://127.0.0.1:${port}`;
  return { ...pay.merchant.env({ notifyUrl: '' }), WECHAT_PAY_NOTIFY_URL: undefined, PUBLIC_URL };
}

/** Fills in the page 消息推送 of the console. Returns the variables of the app. */
function pushTo(wechat: WechatSandbox, port: number, isPlain: boolean): Record<string, string> {
  const PUBLIC_URL = `http://127.0.0.1:${port}`;
  const appId = wechat.apps.find(({ kind }) => kind === 'mini-program')?.appId ?? '';
  const { token, aesKey } = { token: PUSH.token, ...(!isPlain && { aesKey: PUSH.aesKey }) };
  wechat.configurePush(appId, { url: `${PUBLIC_URL}/wechat/push`, token, aesKey });
  return { PUBLIC_URL, WECHAT_PUSH_TOKEN: token, WECHAT_PUSH_AES_KEY: aesKey ?? '' };
}

/** The variables that connect the app to a sandbox. */
export function environmentFor({ apps, url }: WechatSandbox): Record<string, string> {
  const further = apps
    .filter(({ kind }) => kind === 'mini-program')
    .slice(1)
    .map(({ appId, secret, kind }) => ({ appId, secret, kind }));
  const [mini, mobile] = (['mini-program', 'mobile'] as const).map((each) =>
    apps.find(({ kind }) => kind === each),
  );
  return {
    WECHAT_API_BASE_URL: url,
    WECHAT_MINI_APP_ID: mini?.appId ?? '',
    WECHAT_MINI_APP_SECRET: mini?.secret ?? '',
    WECHAT_MOBILE_APP_ID: mobile?.appId ?? '',
    WECHAT_MOBILE_APP_SECRET: mobile?.secret ?? '',
    WECHAT_APPS: JSON.stringify(further),
  };
}
