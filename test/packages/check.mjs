// Checks the contents of each tarball.
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { LIBRARIES, manifestOf } from './pack.mjs';
import { freshFolder, root, run, say } from './shell.mjs';

export async function checkPackages(tarballs) {
  for (const library of LIBRARIES) {
    const manifest = manifestOf(library);
    const tarball = tarballs[manifest.name];
    await run(root, 'publint', 'run', tarball, '--strict');
    await run(root, 'attw', tarball, '--profile', 'strict');
    await checkContents(manifest, tarball);
  }
}

async function checkContents(manifest, tarball) {
  const folder = freshFolder('contents');
  await run(folder, 'tar', 'xzf', tarball);
  const files = readdirSync(join(folder, 'package'), {
    recursive: true,
    withFileTypes: true,
  }).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name));
  const problems = [
    ...['README.md', 'LICENSE']
      .filter((name) => !paths.includes(join(folder, 'package', name)))
      .map((name) => `has no ${name}`),
    ...paths
      .filter((path) => /(spec|for-spec)\.(d\.ts|js)$/.test(path))
      .map((path) => `contains the test ${path}`),
    ...['license', 'engines', 'files', 'exports', 'publishConfig']
      .filter((field) => !manifest[field])
      .map((field) => `has no ${field}`),
    ...undeclaredImports(manifest, paths),
  ];
  if (problems.length > 0) throw new Error(`${manifest.name}:\n  ${problems.join('\n  ')}`);
  say(
    `  ${manifest.name} ${manifest.version}: ${paths.length} files, every import declared, publint and attw content`,
  );
}

/** A method named `require` is no import. */
const IMPORT = /(?<!\.)\b(?:from\s+|import\s*\(?\s*|require\()['"]([^'".][^'"]*)['"]/g;

/** Finds imports that the manifest does not declare. The repository has every package, so only this check finds them. */
function undeclaredImports({ name, dependencies = {}, peerDependencies = {} }, paths) {
  const declared = new Set([name, ...Object.keys(dependencies), ...Object.keys(peerDependencies)]);
  const imported = paths
    .filter((path) => /\.(js|d\.ts)$/.test(path))
    .flatMap((path) =>
      [
        ...readFileSync(path, 'utf8')
          .replace(/\/\*[\s\S]*?\*\//g, '')
          .matchAll(IMPORT),
      ].map(([, specifier]) => specifier),
    )
    .filter((specifier) => !specifier.startsWith('node:') && !builtinModules.includes(specifier))
    .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'));
  return [...new Set(imported)]
    .filter((one) => !declared.has(one))
    .map((one) => `imports ${one}, which its manifest does not declare`);
}
