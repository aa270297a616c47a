// Builds and packs the three packages, as a release does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder, root, run } from './shell.mjs';

export const LIBRARIES = ['libs/wechat', 'libs/wechat-sandbox', 'libs/miniprogram-client'];

export const manifestOf = (folder) =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

/** Returns the path of each tarball by package name. */
export async function packAll() {
  await run(root, 'npm', 'run', 'build:libs');
  const into = freshFolder('tarballs');
  const tarballs = {};
  for (const library of LIBRARIES) {
    const [{ name, filename }] = JSON.parse(
      await run(join(root, library), 'npm', 'pack', '--json', '--pack-destination', into),
    );
    tarballs[name] = join(into, filename);
  }
  return tarballs;
}
