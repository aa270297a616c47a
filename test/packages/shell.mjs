import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { say, track } from '../../tools/progress.mjs';

export { say };

export const root = join(import.meta.dirname, '../..');
const bin = join(root, 'node_modules/.bin');

/** Runs a command and returns its output. The error of a failed command contains all output. */
export async function run(cwd, command, ...args) {
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    npm_config_loglevel: 'error',
    FORCE_COLOR: '0',
  };
  const options = { cwd, env, maxBuffer: 64 << 20 };
  const ended = new Promise((resolve) => {
    execFile(command, args, options, (failure, out, err) =>
      resolve({ error: failure, stdout: out, stderr: err }),
    );
  });
  const where = basename(cwd).replace(/^nestjs-wechat-(.+)-\w+$/, '$1'); // see freshFolder
  const { error, stdout, stderr } = await track(
    [`${where}:`, ...[command, ...args.slice(0, 1)].map((word) => basename(word))].join(' '),
    ended,
  );
  if (error)
    throw new Error(
      `${[command, ...args].join(' ')} in ${cwd} failed:\n${stdout}${stderr || error.message}`,
    );
  return stdout;
}

/** Installs packages with npm, from its cache if they are there. */
export const npmInstall = (app, ...args) =>
  run(
    app,
    'npm',
    ...'install --no-audit --no-fund --prefer-offline --ignore-scripts'.split(' '),
    ...args,
  );

const folders = [];
process.once('exit', () => {
  if (!process.env.KEEP)
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder outside of the repository, so that nothing of its node_modules helps. It is removed when the process ends. */
export function freshFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `nestjs-wechat-${name}-`));
  folders.push(folder);
  return folder;
}
