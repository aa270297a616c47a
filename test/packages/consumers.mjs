// Installs the tarballs into new applications of common kinds, and runs the quickstart and its test there.
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, root, run, say } from './shell.mjs';

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
/** The versions that the repository's own tests use. */
const locked = (...names) =>
  names.map((name) => `${name}@${packages[`node_modules/${name}`].version}`);

const BASE = ['reflect-metadata', 'rxjs'];
const NEST_12 = locked('@nestjs/common', '@nestjs/core', '@nestjs/platform-express', ...BASE);
const NEST_11 = ['common', 'core', 'platform-express', 'platform-fastify']
  .map((name) => `@nestjs/${name}@11.1.9`)
  .concat(locked(...BASE));
const COMPILER = locked('typescript', '@types/node');
/** What `nest new` of Nest 11 installed. */
const NEST_NEW = [
  '@nestjs/testing@11.1.9',
  'typescript@5.7.3',
  'jest@29.7.0',
  'ts-jest@29.2.6',
  '@types/jest@29.5.14',
];
const JEST = locked('jest', '@types/jest', '@swc/core', '@swc/jest');
const OPTIONAL = locked(
  'redis',
  '@nestjs/passport',
  'passport',
  'passport-custom',
  '@nestjs/terminus',
);
/** The newest version that runs on Node 20. */
const VITEST = ['vitest@4.1.12'];

export async function testConsumers(tarballs) {
  const ours = Object.values(tarballs);
  await Promise.all([
    nest12Esm(tarballs['nestjs-wechat'], ours),
    nest12CommonJs(ours),
    nest11(ours),
    nest11AsNestNewWroteIt(ours),
  ]);
}

async function nest12Esm(wechat, ours) {
  const app = application('esm', { type: 'module' });
  await install(app, NEST_12);
  const before = weigh(app);
  await install(app, [wechat]);
  const after = weigh(app);
  await install(app, [...locked('@nestjs/platform-fastify'), ...ours, ...COMPILER, ...VITEST]);
  await compile(app);
  await checkTypes(app);
  await run(app, 'node', 'smoke.mjs');
  await run(app, 'node', 'payments.mjs');
  await run(app, 'npx', 'vitest', 'run');
  say(
    '  Nest 12, ESM, vitest, payments; Express and Fastify; no optional peer installed, all types complete',
  );
  const [added, mb] = [after.count - before.count, (after.bytes - before.bytes) / 2 ** 20];
  say(
    `  nestjs-wechat adds ${added} packages and ${mb.toFixed(1)} MB to a bare Nest application of ${before.count}`,
  );
}

async function nest12CommonJs(ours) {
  const app = application('cjs', {});
  await install(app, [
    ...NEST_12,
    ...locked('@nestjs/platform-fastify'),
    ...ours,
    ...COMPILER,
    ...JEST,
    ...OPTIONAL,
  ]);
  await compile(app);
  await run(app, 'node', 'smoke.cjs');
  await run(app, 'node', 'subpaths.cjs');
  await run(app, 'npx', 'jest');
  say('  Nest 12, CommonJS output, jest; Express and Fastify; sub-paths');
  await run(app, 'node', '--import', './trace.mjs', 'smoke.mjs');
  await expectFailure(/loads .*passport/, () =>
    run(app, 'node', '--import', './trace.mjs', 'subpaths.cjs'),
  );
  say('  redis, Passport and terminus are installed but not used, and none of them is loaded');
}

async function nest11(ours) {
  const app = application('nest11', { type: 'module' });
  await install(app, [...NEST_11, '@nestjs/axios@4.0.1', ...ours, ...COMPILER, ...JEST]);
  await compile(app);
  await run(app, 'node', 'smoke.mjs');
  await run(app, 'node', 'payments.mjs');
  await run(app, 'npx', 'jest');
  say('  Nest 11, ESM, jest, payments; Express and Fastify');
}

/** The project of most teams: CommonJS, ts-jest, `"module": "commonjs"`, and no setting for this package. */
async function nest11AsNestNewWroteIt(ours) {
  const app = freshFolder('nest-new');
  cpSync(join(root, 'test/packages/nest-new'), app, { recursive: true });
  const jest = {
    moduleFileExtensions: ['js', 'json', 'ts'],
    rootDir: 'src',
    testRegex: '.*\\.spec\\.ts$',
    transform: { '^.+\\.(t|j)s$': 'ts-jest' },
    testEnvironment: 'node',
  };
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ name: 'nest-new', version: '1.0.0', private: true, jest }),
  );
  const compilerOptions = {
    module: 'commonjs',
    emitDecoratorMetadata: true,
    experimentalDecorators: true,
    allowSyntheticDefaultImports: true,
    target: 'ES2023',
    baseUrl: './',
    skipLibCheck: true,
    strictNullChecks: true,
  };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
  await install(app, [
    ...NEST_11,
    '@nestjs/axios@4.0.1',
    ...ours,
    ...locked('@types/node'),
    ...NEST_NEW,
  ]);
  await run(app, 'npx', 'tsc', '--noEmit');
  await run(app, 'npx', 'jest');
  say(
    '  Nest 11 as nest new wrote it: CommonJS, ts-jest, TypeScript 5.7 with "module": "commonjs"',
  );
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

const install = (app, what) =>
  run(
    app,
    'npm',
    'install',
    '--save-exact',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--ignore-scripts',
    ...what,
  );

const compile = (app) => run(app, 'npx', 'tsc');

/** Checks the types of every package that the application imports, as a strict consumer does. */
async function checkTypes(app) {
  await run(app, 'npx', 'tsc', '--noEmit', '--pretty', 'false', '--skipLibCheck', 'false');
}

function weigh(app) {
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
