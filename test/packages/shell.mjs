import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const root = join(import.meta.dirname, '../..');
const bin = join(root, 'node_modules/.bin');
const runFile = promisify(execFile);

/** Runs a command and returns what it printed. A failure shows all of it. */
export async function run(cwd, command, ...args) {
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, npm_config_loglevel: 'error', FORCE_COLOR: '0' };
  try {
    const { stdout } = await runFile(command, args, { cwd, env, maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    throw new Error(`${[command, ...args].join(' ')} in ${cwd} failed:\n${error.stdout ?? ''}${error.stderr ?? error.message}`); // its cause says it all again
  }
}

/** A fresh folder outside of the repository, so that nothing of its node_modules helps. It is removed when the process ends. */
export function freshFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `nestjs-wechat-${name}-`));
  if (!process.env.KEEP) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const say = (line) => process.stdout.write(`${line}\n`);
