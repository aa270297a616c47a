// The kinds of projects that install the tarballs. Each is created, compiled, started against the sandbox and tested by its own runner.
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, root, say } from './shell.mjs';

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
/** The versions that the repository's own tests use. */
export const locked = (...names) =>
  names.map((name) => `${name}@${packages[`node_modules/${name}`].version}`);

const BASE = ['reflect-metadata', 'rxjs'];
const NEST_12 = locked(
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  ...BASE,
);
const NEST_11 = ['common', 'core', 'platform-express', 'platform-fastify'].map(
  (name) => `@nestjs/${name}@11.1.9`,
);
const COMPILER = locked('typescript', '@types/node');
const JEST = locked('jest', '@types/jest', '@swc/core', '@swc/jest');
/** The newest version that runs on Node 20. */
const VITEST = ['vitest@4.1.12'];
/** Optional peers, which must not be loaded by an application that does not use them. */
const OPTIONAL = locked(
  'redis',
  '@nestjs/passport',
  'passport',
  'passport-custom',
  '@nestjs/terminus',
);
/** What `nest new` of Nest 11 installed. */
const NEST_NEW_11 = [
  '@nestjs/testing@11.1.9',
  'typescript@5.7.3',
  'jest@29.7.0',
  'ts-jest@29.2.6',
  '@types/jest@29.5.14',
];
/** What teams have for their own purposes, in versions that this library does not use. */
const OLDER_PACKAGES = [
  'reflect-metadata@0.1.14',
  'cache-manager@6.4.3',
  'passport@0.6.0',
  'redis@4.7.1',
];

/** The default of 5 s is too short on a busy machine. jest and vitest have the same option. */
export const PATIENCE = '--testTimeout=60000';

export const KINDS = {
  'esm-12': { nest: '12', modules: 'ESM', runner: 'vitest', test: nest12Esm },
  'cjs-12': { nest: '12', modules: 'CommonJS', runner: 'jest, swc', test: nest12CommonJs },
  'esm-11': { nest: '11', modules: 'ESM', runner: 'jest, swc', test: nest11Esm },
  'cjs-11': { nest: '11', modules: 'CommonJS', runner: 'jest, ts-jest', test: nest11CommonJs },
};

async function nest12Esm({ add, execute }, tarballs, { isThorough }) {
  const app = application('esm', { type: 'module' });
  if (isThorough) await weighPackage(add, app, tarballs['nestjs-wechat']);
  await add(app, [...NEST_12, ...Object.values(tarballs), ...COMPILER, ...VITEST]);
  await execute(app, 'tsc');
  await execute(app, 'node', 'smoke.mjs');
  await execute(app, 'vitest', 'run');
  if (!isThorough) return;
  // The types of every package that the application imports, as a strict consumer checks them. No optional peer is installed.
  await execute(app, 'tsc', '--noEmit', '--pretty', 'false', '--skipLibCheck', 'false');
  await execute(app, 'node', 'payments.mjs');
  await execute(app, 'node', 'missing-peers.cjs');
  say(`  cold start of the quickstart: ${(await execute(app, 'node', 'cold-start.mjs')).trim()}`);
}

async function nest12CommonJs({ add, execute }, tarballs, { isThorough }) {
  const app = application('cjs', {});
  await add(app, [...NEST_12, ...Object.values(tarballs), ...COMPILER, ...JEST, ...OPTIONAL]);
  await execute(app, 'tsc');
  await execute(app, 'node', 'smoke.cjs');
  await execute(app, 'node', 'subpaths.cjs');
  await execute(app, 'jest');
  if (!isThorough) return;
  await execute(app, 'node', 'two-copies.cjs');
  await execute(app, 'node', '--import', './trace.mjs', 'smoke.mjs');
  await expectFailure(/loads .*passport/, () =>
    execute(app, 'node', '--import', './trace.mjs', 'subpaths.cjs'),
  );
}

async function nest11Esm({ add, execute }, tarballs, { isThorough }) {
  const app = application('nest11', { type: 'module' });
  await add(app, [
    ...NEST_11,
    ...locked(...BASE),
    ...Object.values(tarballs),
    ...COMPILER,
    ...JEST,
  ]);
  await execute(app, 'tsc');
  await execute(app, 'node', 'smoke.mjs');
  await execute(app, 'jest');
  if (isThorough) await execute(app, 'node', 'payments.mjs');
}

/** The project of most teams: CommonJS, ts-jest, `"module": "commonjs"`, and no setting for this package. */
async function nest11CommonJs({ add, execute }, tarballs) {
  const app = freshFolder('nest-11');
  cpSync(join(root, 'test/packages/nest-11'), app, { recursive: true });
  await add(app, [
    ...NEST_11,
    ...locked('rxjs'),
    ...OLDER_PACKAGES,
    ...Object.values(tarballs),
    ...locked('@types/node'),
    ...NEST_NEW_11,
  ]);
  cpSync(join(root, 'test/packages/consumers/redis-message.cjs'), join(app, 'redis-message.cjs'));
  await execute(app, 'tsc', '--noEmit');
  await execute(app, 'node', 'redis-message.cjs');
  await execute(app, 'jest', PATIENCE);
}

/** Control: checks that the trace fails if redis, Passport or terminus is loaded. */
async function expectFailure(reason, work) {
  const error = await work().then(
    () => new Error('no failure'),
    (failure) => failure,
  );
  if (!reason.test(error.message))
    throw new Error(`Expected a failure that says ${reason}`, { cause: error });
}

/** Copies the quickstart, its test and the payments example to their paths of the repository, with the files that an application adds. */
function application(name, manifest) {
  const app = freshFolder(name);
  const copy = (from, to = from) => cpSync(join(root, from), join(app, to), { recursive: true });
  copy('examples/quickstart/src');
  copy('examples/payments/src');
  copy('test/examples/quickstart.spec.ts');
  copy('test/support/http.ts');
  copy('libs/miniprogram-client/test-support');
  copy('test/packages/consumers', '.');
  writeFileSync(join(app, 'jest.documented.mjs'), documentedJest());
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ name, version: '1.0.0', private: true, ...manifest }),
  );
  return app;
}

/** Reads jest's configuration from the manual, so that the test covers the manual. */
function documentedJest() {
  const manual = readFileSync(join(root, 'libs/wechat/README.md'), 'utf8');
  const [, configuration] = /\*\*jest with NestJS 12\*\*[^]*?```js\n([^]*?)```/.exec(manual) ?? [];
  if (!configuration)
    throw new Error("libs/wechat/README.md no longer shows jest's configuration under Testing.");
  return configuration;
}

async function weighPackage(add, app, wechat) {
  await add(app, NEST_12);
  const before = sizeOf(app);
  await add(app, [wechat]);
  const after = sizeOf(app);
  const [added, mb] = [after.count - before.count, (after.bytes - before.bytes) / 2 ** 20];
  say(
    `  nestjs-wechat adds ${added} packages and ${mb.toFixed(1)} MB to a bare Nest application of ${before.count}`,
  );
}

function sizeOf(app) {
  const lock = JSON.parse(readFileSync(join(app, 'node_modules/.package-lock.json'), 'utf8'));
  const files = readdirSync(join(app, 'node_modules'), {
    recursive: true,
    withFileTypes: true,
  }).filter((entry) => entry.isFile());
  const bytes = files.reduce(
    (sum, file) => sum + statSync(join(file.parentPath, file.name)).size,
    0,
  );
  return { count: Object.keys(lock.packages).length, bytes };
}
