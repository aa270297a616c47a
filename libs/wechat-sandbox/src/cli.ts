#!/usr/bin/env node
/* eslint-disable no-console -- a command writes to the console */
import { parseArgs } from 'node:util';
import { writeEnvFile } from './env-file.js';
import { startWechatSandbox } from './sandbox.js';
import type { WechatSandbox } from './sandbox.js';
import { DEFAULT_APPS } from './world/apps.js';
import type { PushOptions } from './world/push.js';

const USAGE = `Usage: nestjs-wechat-sandbox [--port 3100] [--host 127.0.0.1] [--app http://127.0.0.1:3000]
                             [--allow-origin http://localhost:5173]
                             [--push-url http://127.0.0.1:3000/wechat/push --push-token TOKEN]
                             [--pay-env FILE]

Starts a fake WeChat platform for development. It needs no account and no network, and stores nothing.
--host          the name or address to listen on; clients use it or a loopback name
--app           the URL of your server, which the simulator, a phone in the browser, calls
--allow-origin  a page of this origin may call the control plane; can be repeated
--push-url      where the pushes of the first mini program go; with --push-token, and optionally --push-aes-key,
                --push-mode plain|compatible|secure and --push-format json|xml
--pay-env       writes the WECHAT_PAY_ variables of the merchant to this file, for your server. Its notifications go to
                /wechat/pay/notify of --app`;

run().catch((error: unknown) => {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = 1;
});

async function run(): Promise<void> {
  const {
    port,
    host,
    app,
    help,
    'allow-origin': allowedOrigins,
    'pay-env': payEnv,
    ...push
  } = parseArgs({
    options: {
      port: { type: 'string', default: '3100' },
      host: { type: 'string', default: '127.0.0.1' },
      app: { type: 'string' },
      'allow-origin': { type: 'string', multiple: true, default: [] },
      'push-url': { type: 'string' },
      'push-token': { type: 'string' },
      'push-aes-key': { type: 'string' },
      'push-mode': { type: 'string' },
      'push-format': { type: 'string' },
      'pay-env': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  }).values;
  if (help) {
    console.log(USAGE);
    return;
  }
  const [miniProgram, ...otherApps] = DEFAULT_APPS;
  const wechat = await startWechatSandbox({
    apps: [{ ...miniProgram!, push: pushOf(push) }, ...otherApps],
    port: Number(port),
    host,
    allowedOrigins,
    demoUsers: true,
    ...(app && { simulator: { appBaseUrl: app } }),
  });
  if (payEnv !== undefined) {
    const notifyUrl = new URL('/wechat/pay/notify', app ?? 'http://127.0.0.1:3000').href;
    writeEnvFile(payEnv, wechat.pay.merchant.env({ notifyUrl }));
  }
  console.log(welcome(wechat));
  if (payEnv !== undefined) console.log(`Merchant's variables:              ${payEnv}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void wechat.close());
}

/** `startWechatSandbox` checks the values. */
function pushOf(flags: Record<string, string | undefined>): PushOptions | undefined {
  if (Object.keys(flags).length === 0) return undefined;
  const { 'push-url': url, 'push-token': token, 'push-aes-key': aesKey } = flags;
  if (url === undefined || token === undefined)
    throw new Error('Message push needs --push-url and --push-token.');
  const mode = flags['push-mode'] as PushOptions['mode'];
  const format = flags['push-format'] as PushOptions['format'];
  return { url, token, aesKey, mode, format };
}

function welcome({ url, apps, users }: WechatSandbox): string {
  const appLines = apps.map(
    ({ kind, appId, secret, name }) => `  ${kind.padEnd(12)}  ${appId}  secret ${secret}  ${name}`,
  );
  const userLines = users.all.map(
    (user) => `  ${user.id.padEnd(12)}  ${user.phoneNumber}  ${user.nickName}`,
  );
  const [miniProgram] = apps;
  return `WeChat sandbox on ${url}

Variables of your server
  WECHAT_API_BASE_URL=${url}
  WECHAT_MINI_APP_ID=${miniProgram?.appId}
  WECHAT_MINI_APP_SECRET=${miniProgram?.secret}
Apps
${appLines.join('\n')}
Users
${userLines.join('\n')}

A login code, as from wx.login():  curl -X POST ${url}/sandbox/users/alice/login
All routes:                        curl ${url}/sandbox
A phone in the browser:            ${url}/simulator/`;
}
