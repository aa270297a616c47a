// Runs `nest add nestjs-wechat` on projects that `nest new` has just written, and builds, starts and tests them.
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { testBundlers } from './bundlers.mjs';
import { PATIENCE } from './kinds.mjs';
import { freshFolder, root, npmInstall, run, say } from './shell.mjs';

const OPTIONS = ['--redis', '--sandbox', '--test', '--skip-install'];
/** Tools of the project that have nothing to do with the package. Without them the installation is short. */
const OTHER_TOOLS = /eslint|oxlint|prettier|mau|supertest|coverage|globals/;

export async function testNestAdd(tarballs, { all }) {
  await nest11(tarballs, { all });
  if (!all) return;
  await Promise.all([nest12('esm', tarballs), nest12('cjs', tarballs)]);
  await monorepo(tarballs);
}

/** Adds to the second of two applications. */
async function monorepo(tarballs) {
  const app = freshFolder('monorepo');
  await nestNew(app, root, '--type=cjs');
  await run(app, 'node', schematicsIn(root), '@nestjs/schematics:sub-app', '--name=second');
  withoutOtherTools(app);
  await npmInstall(app, tarballs['nestjs-wechat'], tarballs['nestjs-wechat-sandbox']);
  await run(app, 'npx', 'nest', 'add', 'nestjs-wechat', '--project', 'second', ...OPTIONS);
  const added = contentsOf(app);
  const modules = Object.keys(added).filter((path) => path.endsWith('.module.ts'));
  const changed = modules.filter((path) => added[path].includes('WechatModule'));
  if (modules.length !== 2 || changed.join() !== 'apps/second/src/second.module.ts')
    throw new Error(`Of ${modules.join(', ')} these have the module: ${changed.join(', ')}`);
  if (!added['package.json'].includes('nest start second --watch'))
    throw new Error('start:sandbox starts another application');
  await npmInstall(app);
  await run(app, 'npx', 'nest', 'build', 'second', '--builder', 'tsc'); // the default needs one more package
  cpSync(join(root, 'test/packages/login.mjs'), join(app, 'login.mjs'));
  await run(app, 'node', 'login.mjs', './dist/apps/second/apps/second/src/main.js');
  say('  nest add --project on a monorepo: added to that application, started');
}

async function nest12(type, tarballs) {
  const app = freshFolder('nest-add');
  await nestNew(app, root, `--type=${type}`);
  await addAndStart(app, tarballs);
  // jest loads Nest 12, which is ESM, from Node 24.9 on.
  if (type === 'esm') await run(app, 'npm', 'test', '--', PATIENCE);
  say(
    `  nest add on nest new of Nest 12, ${type}: added, started${type === 'esm' ? ', tested' : ''}`,
  );
}

async function nest11(tarballs, { all }) {
  const app = freshFolder('nest-add');
  writeFileSync(join(app, 'package.json'), '{ "private": true }');
  await npmInstall(app, '@nestjs/cli@11.0.13');
  await nestNew(app, app);
  await addAndStart(app, tarballs);
  await run(app, 'npm', 'test', '--', PATIENCE);
  say('  nest add on nest new of Nest 11: added, started, tested');
  if (all) await testBundlers(app);
}

const schematicsIn = (cli) =>
  join(cli, 'node_modules/@angular-devkit/schematics-cli/bin/schematics.js');

/** Writes a project as `nest new` does, with the CLI that is installed in `cli`. */
async function nestNew(app, cli, ...options) {
  await run(
    app,
    'node',
    schematicsIn(cli),
    '@nestjs/schematics:application',
    '--name=new',
    ...options,
  );
  cpSync(join(app, 'new'), app, { recursive: true });
  rmSync(join(app, 'new'), { recursive: true });
}

async function addAndStart(app, tarballs) {
  withoutOtherTools(app);
  await npmInstall(app, tarballs['nestjs-wechat'], tarballs['nestjs-wechat-sandbox']);
  const add = (...options) => run(app, 'npx', 'nest', 'add', 'nestjs-wechat', ...options);

  const before = contentsOf(app);
  const announced = stripVTControlCharacters(await add('--dry-run', ...OPTIONS));
  expectSame(before, contentsOf(app), 'A dry run changes files');
  for (const file of ['CREATE src/auth/wechat-auth.controller.ts', 'UPDATE src/app.module.ts'])
    if (!announced.includes(file)) throw new Error(`The dry run lacks ${file}:\n${announced}`);

  await add(...OPTIONS);
  const added = contentsOf(app);
  await add(...OPTIONS);
  expectSame(added, contentsOf(app), 'A second run changes files');

  await npmInstall(app);
  await run(app, 'npx', 'nest', 'build');
  cpSync(join(root, 'test/packages/login.mjs'), join(app, 'login.mjs'));
  await run(app, 'node', 'login.mjs');
}

function withoutOtherTools(app) {
  const path = join(app, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  const kept = Object.entries(manifest.devDependencies).filter(([name]) => !OTHER_TOOLS.test(name));
  manifest.devDependencies = Object.fromEntries(kept);
  writeFileSync(path, JSON.stringify(manifest, null, 2));
}

/** The text of every file of the project, by its path. */
function contentsOf(app) {
  const paths = readdirSync(app, { recursive: true }).filter(
    (path) => !/^(node_modules|dist)\b/.test(path) && statSync(join(app, path)).isFile(),
  );
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(app, path), 'utf8')]));
}

function expectSame(before, after, problem) {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (path) => before[path] !== after[path],
  );
  if (changed.length > 0) throw new Error(`${problem}: ${changed.join(', ')}`);
}
