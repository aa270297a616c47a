// Starts the built application, as `node dist/main` does, and logs a user of the sandbox in.
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';

const wechat = await startWechatSandbox();
const [{ appId, secret }] = wechat.apps;
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port: free } = server.address();
    server.close(() => resolve(free));
  });
});
Object.assign(process.env, {
  PORT: String(port),
  port: String(port), // `nest generate app` writes process.env.port
  WECHAT_API_BASE_URL: wechat.url,
  WECHAT_MINI_APP_ID: appId,
  WECHAT_MINI_APP_SECRET: secret,
});
const main = process.argv[2] ?? ['./dist/main.js', './dist/src/main.js'].find(existsSync);
await import(main);

const url = `http://127.0.0.1:${port}`;
const user = wechat.users.create();
const login = await untilListening(async () =>
  fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(await user.login()),
  }),
);
const { session_rd } = await login.json();
const me = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${session_rd}` } });
assert.equal((await me.json()).openid, user.openid());
assert.equal((await fetch(`${url}/me`)).status, 401);
process.exit(0);

async function untilListening(request) {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      return await request();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error('The application does not listen.');
}
