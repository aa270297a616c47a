import { randomBytes } from 'node:crypto';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxApp, WechatSandbox } from 'nestjs-wechat-sandbox';
import { createApp, listen, runCommand } from './app.js';
import { loadEnvironment, readConfig } from './config.js';
import type { Environment } from './config.js';

const DEFAULT_PORT = 3000;
const SANDBOX_PORT = 3001;
/** The loopback address, because every client of the sandbox can log in as every user. */
const HOST = '127.0.0.1';
/** Never the UPLOAD_DIR of a `.env` file: it may be the folder of a production database. */
const UPLOAD_DIR = './var/demo-uploads';

/** The page 消息推送 of the console, in 安全模式 (secure mode). */
const PUSH = {
  token: randomBytes(16).toString('hex'),
  aesKey: randomBytes(32).toString('hex').slice(0, 43),
};
const PUSH_PATH = '/wechat/push';

function startSandbox(): Promise<WechatSandbox> {
  const options = { host: HOST, demoUsers: true };
  return startWechatSandbox({ ...options, port: SANDBOX_PORT }).catch(() =>
    startWechatSandbox(options),
  );
}

/** Takes ports, log level and durations from the environment, but no apps, servers, keys or paths. */
function demoEnvironment(env: Environment, { apps, url, pay }: WechatSandbox): Environment {
  const of = (kind: SandboxApp['kind']): SandboxApp | undefined =>
    apps.find((app) => app.kind === kind);
  const publicUrl = publicUrlOf(env);
  const notifyUrl = `${publicUrl}/wechat/pay/notify`;
  return {
    LOG_LEVEL: 'warn',
    ...ownSettings(env),
    ...pay.merchant.env({ notifyUrl }),
    NODE_ENV: 'development',
    PUBLIC_URL: publicUrl,
    WECHAT_PUSH_TOKEN: PUSH.token,
    WECHAT_PUSH_AES_KEY: PUSH.aesKey,
    WECHAT_PUSH_PATH: PUSH_PATH,
    CONTENT_CHECK: 'on',
    SUBSCRIBE_ORDER_PAID: JSON.stringify(paidMessage(of('mini-program')?.templates[0]?.id)),
    WECHAT_API_BASE_URL: url,
    WECHAT_MINI_APP_ID: of('mini-program')?.appId,
    WECHAT_MINI_APP_SECRET: of('mini-program')?.secret,
    WECHAT_MOBILE_APP_ID: of('mobile')?.appId,
    WECHAT_MOBILE_APP_SECRET: of('mobile')?.secret,
    UPLOAD_DIR,
    SHUTDOWN_DRAIN: '0s',
  };
}

const publicUrlOf = (env: Environment): string => `http://${HOST}:${env['PORT'] ?? DEFAULT_PORT}`;

/** Variables of other apps, servers, keys and stores. A `.env` file can have them, for production. */
const OTHERS =
  /^(WECHAT_(APPS|ENCRYPTION_KEYS|PAY_.*|WEBSITE_.*)|(CACHE_)?REDIS_.*|DATABASE_URL|STORAGE_.*)$/;

function ownSettings(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OTHERS.test(name)));
}

/** The message of the sandbox's template about a paid order. */
const paidMessage = (templateId?: string): object => ({
  templateId,
  data: {
    thing1: '{product}',
    amount2: '{amount}',
    time3: '{paidAt}',
    character_string4: '{number}',
  },
  page: 'pages/order/order?id={id}',
});

const welcome = (app: string, sandbox: string, simulator: string): string => `
nestjs-wechat is running, together with a fake WeChat platform.

  Simulator        ${simulator}   a phone with a mini program, and its requests
  API docs         ${app}/docs
  WeChat sandbox   ${sandbox}/sandbox   its users: alice, bob, mallory (blocked by WeChat)

Log in as alice with curl:

  code=$(curl -sS -X POST ${sandbox}/sandbox/users/alice/login | sed 's/.*"code":"\\([^"]*\\)".*/\\1/')
  session_rd=$(curl -sS ${app}/auth/login -H 'Content-Type: application/json' -d "{\\"code\\":\\"$code\\"}" | sed 's/.*"session_rd":"\\([^"]*\\)".*/\\1/')
  curl -sS ${app}/me -H "Authorization: Bearer $session_rd"

Buy a coffee with curl:

  order=$(curl -sS ${app}/orders -H "Authorization: Bearer $session_rd" -H 'Content-Type: application/json' -d '{"productId":"latte","quantity":1}' | sed 's/.*"id":"\\([^"]*\\)","number".*/\\1/')
  params=$(curl -sS -X POST ${app}/orders/$order/pay -H "Authorization: Bearer $session_rd" | sed 's/.*"data":\\({[^}]*}\\).*/\\1/')
  curl -sS ${sandbox}/sandbox/users/alice/requestPayment -H 'Content-Type: application/json' -d "{\\"params\\":$params}"
  curl -sS -X POST ${app}/orders/$order/sync -H "Authorization: Bearer $session_rd"

Ctrl-C stops it. The users stay in ./var/db, and their files in ./var/demo-uploads.
`;

/** `npm start`: starts the reference app with the sandbox, an in-memory store and an embedded database. */
await runCommand(async () => {
  const environment = loadEnvironment();
  const wechat = await startSandbox();
  const config = readConfig(demoEnvironment(environment, wechat));
  const [miniProgram] = config.wechat.apps;
  if (miniProgram)
    wechat.configurePush(miniProgram.appId, {
      ...PUSH,
      url: `${publicUrlOf(environment)}${PUSH_PATH}`,
    });
  config.wechat.clock = wechat.clock.now; // the simulator moves time
  const app = await createApp(config);
  const url = await listen(app, config, HOST);
  process.stdout.write(welcome(url, wechat.url, wechat.simulate(url)));
});
