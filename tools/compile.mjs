// Compiles the reference app if its sources have changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['apps/sample/src', 'libs/wechat/src', 'libs/wechat-sandbox/src'];
const SETTINGS = [
  'nest-cli.json',
  'package-lock.json',
  'tsconfig.json',
  'apps/sample/tsconfig.app.json',
];
/** The folder of the compiled reference app. */
export const OUT = join(ROOT, 'dist/apps/sample');
/** The hash of the compiled sources. The compiler empties this folder, and the file is written last, so it exists only after a whole build. */
const STAMP = join(OUT, 'compiled-from');

export const say = (text) => process.stdout.write(`${text}\n`);

function hashOfSources() {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((file) => join(folder, file)),
  );
  const states = [...files, ...SETTINGS].toSorted().map((file) => {
    const { size, mtimeMs } = statSync(join(ROOT, file));
    return [file, size, mtimeMs];
  });
  return createHash('sha256').update(JSON.stringify(states)).digest('hex');
}

function compile() {
  say('Compiling the reference app and its libraries. This takes 20 to 90 seconds, once.');
  const startedAt = performance.now();
  const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
  const { status } = spawnSync(process.execPath, [nest, 'build', 'sample'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  say(`Compiled in ${Math.round((performance.now() - startedAt) / 1000)} s.`);
}

const sources = hashOfSources();
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== sources) {
  compile();
  writeFileSync(STAMP, sources);
}
