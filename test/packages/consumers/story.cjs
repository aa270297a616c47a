// Tests a running quickstart. ES modules import this file, and CommonJS modules require it.
const assert = require('node:assert/strict');

exports.tell = async ({ NestFactory, adapters, AppModule, startWechatSandbox }) => {
  for (const Adapter of adapters) {
    const wechat = await startWechatSandbox();
    const [{ appId, secret }] = wechat.apps;
    Object.assign(process.env, {
      WECHAT_API_BASE_URL: wechat.url,
      WECHAT_MINI_APP_ID: appId,
      WECHAT_MINI_APP_SECRET: secret,
    });
    const app = await NestFactory.create(AppModule, new Adapter(), { logger: ['error'] });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const user = wechat.users.create();
    const body = JSON.stringify(await user.login());
    const login = await fetch(`${url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const { session_rd } = await login.json();
    const me = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${session_rd}` } });
    assert.deepEqual(await me.json(), { appId, openid: user.openid(), unionid: user.unionid() });
    assert.equal((await fetch(`${url}/me`)).status, 401);
    await app.close();
    await wechat.close();
  }
};
