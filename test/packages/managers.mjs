// The package managers that the consumers use: how each installs packages and runs a command of the project.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, npmInstall, run } from './shell.mjs';

const VERSIONS = { pnpm: '12.21.0', yarn: '1.22.22', '@yarnpkg/cli-dist': '4.18.1' };

/** Installs the managers that are not part of Node, and returns all by the name that the table of docs/installing.md shows. */
export async function packageManagers() {
  const folder = freshFolder('managers');
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  await npm.add(
    folder,
    Object.entries(VERSIONS).map(([name, version]) => `${name}@${version}`),
  );
  const registry = (await run(folder, 'npm', 'config', 'get', 'registry')).trim();
  const file = (path) => join(folder, 'node_modules', path);
  return {
    npm,
    pnpm: pnpm(file('pnpm/bin/pnpm.mjs'), []),
    'pnpm, auto-install-peers=false': pnpm(file('pnpm/bin/pnpm.mjs'), [
      '--config.auto-install-peers=false',
    ]),
    'Yarn 1': yarn1(file('yarn/bin/yarn.js'), join(folder, 'yarn-cache')),
    'Yarn 4, node_modules': yarn4(file('@yarnpkg/cli-dist/bin/yarn.js'), registry, 'node-modules'),
    'Yarn 4, PnP': yarn4(file('@yarnpkg/cli-dist/bin/yarn.js'), registry, 'pnp'),
  };
}

/** The path of a program of the project's packages, or `node`. */
export const programOf = (app, program) =>
  program === 'node' ? program : join(app, 'node_modules/.bin', program);

const execute = (app, program, ...args) => run(app, programOf(app, program), ...args);

const npm = {
  add: (app, packages) => npmInstall(app, '--save-exact', ...packages),
  execute,
};

const pnpm = (program, settings) => ({
  add: (app, packages) =>
    run(
      app,
      'node',
      program,
      'add',
      '--prefer-offline',
      '--ignore-scripts',
      '--reporter=append-only',
      ...settings,
      ...packages,
    ),
  execute,
});

/**
 * Without its check of engines, because packages of Nest 12 and the sandbox name Node 22 and run on Node 20, too. With a cache of its own,
 * because Yarn 1 finds a tarball in its cache by name and version only, so it would install the one of an earlier run.
 */
const yarn1 = (program, cache) => ({
  add: (app, packages) =>
    run(
      app,
      'node',
      program,
      'add',
      '--cache-folder',
      cache,
      '--ignore-scripts',
      '--ignore-engines',
      '--non-interactive',
      '--no-progress',
      ...packages,
    ),
  execute,
});

function yarn4(program, registry, nodeLinker) {
  const yarn = (app, ...args) => run(app, 'node', program, ...args);
  return {
    add: (app, packages) => {
      const settings = {
        nodeLinker,
        npmRegistryServer: registry,
        enableScripts: false,
        enableTelemetry: false,
        enableImmutableInstalls: false,
      };
      writeFileSync(join(app, '.yarnrc.yml'), JSON.stringify(settings));
      writeFileSync(join(app, 'yarn.lock'), '');
      return yarn(app, 'add', ...packages.map(asFile));
    },
    execute: (app, name, ...args) =>
      name === 'node' ? yarn(app, 'node', ...args) : yarn(app, 'run', name, ...args),
  };
}

/** Yarn 4 needs the name of the package and a scheme before the path of a tarball. */
const asFile = (name) => {
  const [, packed] = /([^/]+)-\d+\.\d+\.\d+[^/]*\.tgz$/.exec(name) ?? [];
  return packed ? `${packed}@file:${name}` : name;
};
