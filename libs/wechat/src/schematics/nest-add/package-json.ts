import type { Tree } from '@angular-devkit/schematics';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NestAddOptions } from './options.js';
import { projectOf } from './project.js';

interface Manifest {
  version: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const PACKAGE_JSON = 'package.json';
/** The version of redis that the tests of this package use. */
const REDIS = '^6.3.1';

/**
 * Adds the packages and the scripts that package.json lacks.
 *
 * @internal
 * @returns whether there is a package to install
 */
export function addPackages(
  tree: Tree,
  { redis, sandbox, test, sourceRoot }: NestAddOptions,
): boolean {
  const manifest = tree.readJson(PACKAGE_JSON) as unknown as Manifest;
  const range = `^${ownVersion()}`;
  const hasDependencies = add(manifest, 'dependencies', {
    'nestjs-wechat': range,
    ...(redis && { redis: REDIS }),
  });
  const hasDevDependencies = add(
    manifest,
    'devDependencies',
    sandbox || test ? { 'nestjs-wechat-sandbox': range } : {},
  );
  const scripts = scriptsFor(projectOf(tree, sourceRoot));
  const hasScripts = add(manifest, 'scripts', sandbox ? scripts : {});
  if (hasDependencies || hasDevDependencies || hasScripts)
    tree.overwrite(PACKAGE_JSON, `${JSON.stringify(manifest, null, 2)}\n`);
  return hasDependencies || hasDevDependencies;
}

const scriptsFor = (project: string | undefined): Record<string, string> => ({
  sandbox: 'nestjs-wechat-sandbox',
  'start:sandbox': `nest start ${project ? `${project} ` : ''}--watch --env-file sandbox.env`,
});

/** Adds what the section lacks, and returns whether it lacked something. Packages stay in alphabetical order. */
function add(
  manifest: Manifest,
  section: 'scripts' | 'dependencies' | 'devDependencies',
  entries: Record<string, string>,
): boolean {
  const present = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest[section] };
  const missing = Object.entries(entries).filter(([name]) => !(name in present));
  if (missing.length === 0) return false;
  const all = [...Object.entries(manifest[section] ?? {}), ...missing];
  manifest[section] = Object.fromEntries(
    section === 'scripts' ? all : all.toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  return true;
}

function ownVersion(): string {
  const path = join(__dirname, '../../../package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as Manifest).version;
}
