// Builds mini programs with the npm build of DevTools and with the tools of Taro, uni-app and mpx, and runs them on the phone of the tests.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { openMiniProgram } from './mini-program-host.mjs';
import { freshFolder, npmInstall, root, run, say } from './shell.mjs';

/** What the server returns, and the page shows. */
const USER = 'the user of the test';

export async function testMiniProgramBuilds(client, { all }) {
  const phone = await compilePhone();
  const test = async (name, folder, route) => {
    await runIn(await folder, route, phone);
    say(`  ${name}: built, and a page has logged in`);
  };
  await Promise.all([
    test('npm build of DevTools', native(client), 'pages/profile/profile'),
    ...(all ? [test('Taro', taro(client), 'pages/index/index')] : []),
    ...(all ? [test('uni-app', uniApp(client), 'pages/index/index')] : []),
    ...(all ? [test('mpx', mpx(client), 'pages/index')] : []),
  ]);
}

/** DevTools copies the folder that the manifest names as `miniprogram`. */
async function native(client) {
  const app = freshFolder('mini-program');
  cpSync(join(root, 'apps/miniprogram/miniprogram'), app, { recursive: true });
  const npm = freshFolder('mini-program-npm');
  await npmInstall(npm, client);
  const name = 'nestjs-wechat-miniprogram';
  const source = join(npm, 'node_modules', name);
  const { miniprogram } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  cpSync(join(source, miniprogram), join(app, 'miniprogram_npm', name), { recursive: true });
  return app;
}

async function taro(client) {
  const app = freshFolder('taro-build');
  const tools = [
    ...['cli', 'webpack5-runner', 'plugin-platform-weapp', 'plugin-framework-react', 'react'],
    ...['runtime', 'helper', 'taro-loader'],
  ].map((name) => `@tarojs/${name}@4.2.1`);
  cpSync(join(root, 'examples/taro'), app, { recursive: true });
  cpSync(join(root, 'test/packages/taro'), app, { recursive: true });
  await install(app, client, ...tools, 'babel-preset-taro@4.2.1', ...TARO_PEERS);
  await run(app, 'npx', 'taro', 'build', '--type', 'weapp');
  return join(app, 'dist');
}

const TARO_PEERS = [
  'webpack@5.91.0',
  '@babel/core@7.29.13',
  '@babel/preset-react@7.29.7',
  'postcss@8.5.33',
  'react-dom@18.3.1',
];

async function uniApp(client) {
  const app = freshFolder('uni-app-build');
  const tools = ['uni-app', 'uni-components', 'uni-mp-weixin', 'uni-cli-shared', 'vite-plugin-uni'];
  const versions = tools.map((name) => `@dcloudio/${name}@3.0.0-5010420260703001`);
  cpSync(join(root, 'examples/uni-app'), app, { recursive: true });
  writeFileSync(
    join(app, 'vite.config.mjs'),
    `import uni from '@dcloudio/vite-plugin-uni';\nexport default { plugins: [uni.default()] };\n`,
  );
  await install(app, client, ...versions, 'vite@5.2.8', 'vue@3.4.21');
  await run(app, 'npx', 'uni', 'build', '-p', 'mp-weixin');
  return join(app, 'dist/build/mp-weixin');
}

async function mpx(client) {
  const app = freshFolder('mpx-build');
  cpSync(join(root, 'examples/mpx'), app, { recursive: true });
  await install(app, client);
  await run(app, 'npm', 'run', 'build');
  return join(app, 'dist');
}

const install = (app, ...what) => npmInstall(app, '--legacy-peer-deps', ...what);

/** Compiles the phone and the server of the client's tests. */
async function compilePhone() {
  const folder = freshFolder('phone');
  const support = 'libs/miniprogram-client/test-support';
  const files = ['wx-shim', 'fake-server'].map((name) => `${support}/${name}.ts`);
  const options = ['--module', 'commonjs', '--moduleResolution', 'node10', '--target', 'es2022'];
  const unchecked = ['--ignoreConfig', '--noCheck', '--ignoreDeprecations', '6.0'];
  await run(root, 'tsc', '--outDir', folder, ...options, ...unchecked, ...files);
  const require = createRequire(join(folder, 'phone.cjs'));
  return { ...require('./test-support/wx-shim'), ...require('./test-support/fake-server') };
}

async function runIn(folder, route, { createPhone, FakeServer }) {
  const server = new FakeServer();
  server.reply('/me', { openid: USER, nickName: USER });
  server.reply('/me/content', []);
  const { wx } = createPhone({ send: server.send, login: server.wxLogin });
  wx.getAccountInfoSync = () => ({ miniProgram: { envVersion: 'develop' } });
  const { shown } = openMiniProgram(folder, wx, route);
  for (let attempt = 0; !shown().includes(USER); attempt++) {
    if (attempt === 100) throw new Error(`${folder} shows no user:\n${shown()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
