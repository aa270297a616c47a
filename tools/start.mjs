// `npm start`: compiles the reference app, unless it was compiled from these very files before, and runs it with the sandbox.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['apps/sample/src', 'libs/wechat/src', 'libs/wechat-sandbox/src'];
const SETTINGS = [
  'nest-cli.json',
  'package-lock.json',
  'tsconfig.json',
  'apps/sample/tsconfig.app.json',
];
const OUT = join(ROOT, 'dist/apps/sample');
/** Lies in the folder that the compiler empties, and is written last: it is there when the whole build is. */
const STAMP = join(OUT, 'compiled-from');

function sourcesNow() {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((file) => join(folder, file)),
  );
  const looks = [...files, ...SETTINGS].toSorted().map((file) => {
    const { size, mtimeMs } = statSync(join(ROOT, file));
    return [file, size, mtimeMs];
  });
  return createHash('sha256').update(JSON.stringify(looks)).digest('hex');
}

function compile() {
  const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
  const { status } = spawnSync(process.execPath, [nest, 'build', 'sample'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

const sources = sourcesNow();
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== sources) {
  compile();
  writeFileSync(STAMP, sources);
}
await import(pathToFileURL(join(OUT, 'apps/sample/src/demo.js')).href);
