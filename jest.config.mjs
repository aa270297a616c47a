import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = import.meta.dirname;
const json = (file) => JSON.parse(readFileSync(file, 'utf8'));

/**
 * Finds the ESM-only packages in node_modules. Nest 12 and many other packages are ESM-only, and jest cannot `require()` ESM before
 * Node 24.9. So tests run in CommonJS mode, and swc compiles the sources and these packages.
 */
function esmOnlyPackages(dir, found = new Set()) {
  for (const name of packagesIn(dir)) {
    const manifest = readManifest(join(dir, name));
    if (!manifest) continue;
    const hasRequire =
      JSON.stringify(manifest.exports ?? '').includes('"require"') && !name.startsWith('@nestjs/');
    if (manifest.type === 'module' && !hasRequire) found.add(name);
    esmOnlyPackages(join(dir, name, 'node_modules'), found);
  }
  return found;
}

function packagesIn(dir) {
  try {
    const names = readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
      e.isDirectory() && !e.name.startsWith('.') ? [e.name] : [],
    );
    return names.flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(dir, name)).map((n) => `${name}/${n}`) : [name],
    );
  } catch {
    return []; // most packages have no node_modules of their own
  }
}

function readManifest(dir) {
  try {
    return json(join(dir, 'package.json'));
  } catch {
    return undefined;
  }
}

const swc = (parser, transform) => [
  '@swc/jest',
  {
    swcrc: false,
    sourceMaps: 'inline',
    jsc: { target: 'es2022', parser, transform, keepClassNames: true },
    module: { type: 'commonjs' },
  },
];
/** Packages without state and without a dependency on Nest, which have many files. */
const SHARED =
  '@redis/[^/]+|redis|rxjs|es-toolkit|validator|libphonenumber-js|semver|ajv|glob|luxon|music-metadata|node-forge|pngjs|axios';
const { paths } = json(join(root, 'tsconfig.json')).compilerOptions;
const esm = [...esmOnlyPackages(join(root, 'node_modules'))].join('|');

/** @type {import('jest').Config} */
export default {
  testEnvironment: '<rootDir>/test/support/jest/environment.cjs',
  moduleFileExtensions: ['ts', 'cts', 'js', 'cjs', 'mjs', 'json', 'node'],
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test', '<rootDir>/tools'],
  testRegex: '\\.(e2e-)?spec\\.ts$',
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/libs/.*/dist/'],
  testSequencer: '<rootDir>/test/support/jest/long-first.mjs',
  reporters: ['default', '<rootDir>/tools/progress.reporter.mjs'],
  globalSetup: '<rootDir>/test/support/jest/run-folder.mjs',
  globalTeardown: '<rootDir>/test/support/jest/end-run.mjs',
  // jest's default on a 2-core machine is one worker. With three, the suites that fail over Redis miss their deadlines.
  maxWorkers: '100%',
  // Only a hanging test reaches this. Starting the embedded database in a hook took over 60 s on a machine with a load of 15, and a
  // hook that times out leaves its servers open, so that the worker does not exit.
  testTimeout: 120_000,
  transform: {
    [`/node_modules/(?:${SHARED})/.+\\.[mc]?js$`]: '<rootDir>/test/support/jest/shared-package.mjs',
    '^.+\\.c?ts$': swc(
      { syntax: 'typescript', decorators: true },
      { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    ),
    '/node_modules/.+\\.[mc]?js$': swc({ syntax: 'ecmascript' }),
  },
  transformIgnorePatterns: [`/node_modules/(?!(?:.+/node_modules/)?(?:${esm}|${SHARED})/)`],
  moduleNameMapper: {
    ...Object.fromEntries(
      Object.entries(paths).map(([name, [file]]) => [
        `^${name}$`,
        file.replace('./', '<rootDir>/'),
      ]),
    ),
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^(\\.{1,2}/.*)\\.cjs$': ['$1.cts', '$1.cjs'], // not .js, which is an ES module in some packages
    // these two export nothing to a require()
    '^file-type$': '<rootDir>/node_modules/file-type/index.js',
    '^music-metadata$': '<rootDir>/node_modules/music-metadata/lib/index.js',
  },
  collectCoverageFrom: ['libs/*/src/**/*.ts', 'apps/*/src/**/*.ts', '!**/*.spec.ts'],
  coverageProvider: 'v8',
};
