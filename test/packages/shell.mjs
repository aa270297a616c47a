import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  const { error, stdout, stderr } = await new Promise((resolve) => {
    execFile(command, args, options, (failure, out, err) =>
      resolve({ error: failure, stdout: out, stderr: err }),
    );
  });
  if (error)
    throw new Error(
      `${[command, ...args].join(' ')} in ${cwd} failed:\n${stdout}${stderr || error.message}`,
    );
  return stdout;
}

/** Creates a folder outside of the repository, so that its node_modules cannot be found. It is removed when the process exits. */
export function freshFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `nestjs-wechat-${name}-`));
  if (!process.env.KEEP)
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const say = (line) => process.stdout.write(`${line}\n`);
