// Installs the client's tarball beside the typings of each platform, and checks that its `wx` is a `Wx` there.
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, root, npmInstall, run, say } from './shell.mjs';

export async function testMiniPrograms(client) {
  await Promise.all([example('taro', client), example('uni-app', client), native(client)]);
  say(
    '  Taro, uni-app and miniprogram-api-typings: the client and the examples have no type error',
  );
}

async function example(name, client) {
  const app = freshFolder(name);
  cpSync(join(root, 'examples', name), app, { recursive: true });
  await install(app, client);
  await run(app, 'npm', 'run', 'typecheck');
}

async function native(client) {
  const app = freshFolder('native');
  writeFileSync(join(app, 'package.json'), '{ "private": true }');
  writeFileSync(
    join(app, 'app.ts'),
    `import { askToSubscribe, createSession, ensureScope } from 'nestjs-wechat-miniprogram';
     export const session = createSession({ baseUrl: 'https://api.example.com', wx });
     export const allowed = ensureScope('scope.record', { wx });
     export const results = askToSubscribe(['template'], { wx });`,
  );
  await install(app, client, 'miniprogram-api-typings@5.2.3');
  const options = [
    '--strict',
    '--lib',
    'es2020',
    '--moduleResolution',
    'bundler',
    '--module',
    'esnext',
  ];
  await run(app, 'tsc', '--noEmit', ...options, '--types', 'miniprogram-api-typings', 'app.ts');
}

/** Without peers: Taro's are the tools of a whole project. */
const install = (app, ...what) => npmInstall(app, '--legacy-peer-deps', ...what);
