#!/usr/bin/env node
/* eslint-disable no-console -- a command speaks on the console */
import { parseArgs } from 'node:util';
import { startWechatSandbox, type WechatSandbox } from './sandbox.js';

const USAGE = `Usage: nestjs-wechat-sandbox [--port 3100] [--host 127.0.0.1] [--app http://127.0.0.1:3000]

Starts a fake WeChat platform for development: no account, no network, nothing is kept.
--app names your server: the simulator, a phone in the browser, talks to it.`;

try {
  await run();
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const { port, host, app, help } = parseArgs({
    options: {
      port: { type: 'string', default: '3100' },
      host: { type: 'string', default: '127.0.0.1' },
      app: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  }).values;
  if (help) {
    console.log(USAGE);
    return;
  }
  const wechat = await startWechatSandbox({
    port: Number(port),
    host,
    demoUsers: true,
    ...(app && { simulator: { appBaseUrl: app } }),
  });
  console.log(welcome(wechat));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void wechat.close());
}

function welcome({ url, apps, users }: WechatSandbox): string {
  const appLines = apps.map(
    ({ kind, appId, secret, name }) => `  ${kind.padEnd(12)}  ${appId}  secret ${secret}  ${name}`,
  );
  const userLines = users.all.map(
    (user) => `  ${user.id.padEnd(12)}  ${user.phoneNumber}  ${user.nickName}`,
  );
  return `WeChat sandbox on ${url}  (WECHAT_API_BASE_URL=${url})

Apps
${appLines.join('\n')}
Users
${userLines.join('\n')}

A login code, as wx.login() gives it:  curl -X POST ${url}/sandbox/users/alice/login
All there is:                          curl ${url}/sandbox
A phone in the browser:                ${url}/simulator/`;
}
