// Builds a project with the bundlers that teams use, starts each result and logs a user in.
import { npmInstall, run, say } from './shell.mjs';

const TOOLS = [
  '@swc/cli@0.7.10',
  '@swc/core@1.16.18',
  'esbuild@0.28.2',
  'tsup@8.5.0',
  '@vercel/ncc@0.45.0',
];

/** Packages that Nest and this library load only if they are installed. esbuild needs their names. */
const OPTIONAL = [
  '@nestjs/microservices',
  '@nestjs/websockets',
  'class-transformer',
  'class-validator',
  '@opentelemetry/api',
  'redis',
];

/** The command of each bundler, and the file that it writes. */
const BUILDS = {
  'nest build --webpack': { command: ['nest', 'build', '--webpack'], main: './dist/main.js' },
  'nest build --builder swc': {
    command: ['nest', 'build', '--builder', 'swc'],
    main: './dist/main.js',
  },
  esbuild: {
    command: [
      'esbuild',
      'dist/main.js',
      '--bundle',
      '--platform=node',
      '--keep-names',
      '--outfile=bundled/esbuild.js',
      ...OPTIONAL.map((name) => `--external:${name}`),
    ],
    main: './bundled/esbuild.js',
  },
  tsup: {
    command: ['tsup', 'src/main.ts', '--out-dir', 'bundled/tsup'],
    main: './bundled/tsup/main.js',
  },
  ncc: {
    command: ['ncc', 'build', 'dist/main.js', '--out', 'bundled/ncc'],
    main: './bundled/ncc/index.js',
  },
};

/** @param app a built Nest 11 project with `login.mjs` */
export async function testBundlers(app) {
  await npmInstall(app, '--save-dev', ...TOOLS);
  for (const [name, { command, main }] of Object.entries(BUILDS)) {
    await run(app, 'npx', ...command);
    await run(app, 'node', 'login.mjs', main);
    say(`  ${name}: built, started`);
  }
}
