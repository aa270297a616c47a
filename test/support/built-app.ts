import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { oncePerRun, runFolder } from './once-per-run.js';

const ROOT = join(__dirname, '../..');

/** A folder in `dist`, so that the compiled app finds node_modules. Each run of jest has its own. */
const outDir = (): string => join(ROOT, 'dist', basename(runFolder()));

/** A process of the compiled app. It ends by `stop`, or by itself. */
export interface AppProcess {
  /** Its output so far. */
  output: () => string;
  /** Waits for a text in its output. Throws if the process ends without it. */
  says: (text: string | RegExp) => Promise<string>;
  running: () => boolean;
  /** Stops reading its output, and reads on. */
  pause: () => void;
  resume: () => void;
  exit: Promise<number | null>;
  stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** The app, and the programs that tests start as processes. */
const ENTRIES = ['apps/sample/src/**/*', 'test/faults/workers/coffee-shop.ts'];

/** Compiles the app as `npm start` does, because production runs ESM and jest runs CommonJS. The specs of a run share the result. */
export async function buildApp(): Promise<void> {
  await oncePerRun('built-app', async () => {
    const folder = outDir();
    const tsconfig = {
      extends: '../apps/sample/tsconfig.app.json',
      compilerOptions: { outDir: basename(folder), rootDir: '..', noCheck: true }, // `npm run typecheck` checks it
      include: ENTRIES.map((path) => `../${path}`),
    };
    await mkdir(folder, { recursive: true });
    const path = `${folder}.tsconfig.json`;
    await writeFile(path, JSON.stringify(tsconfig));
    const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
    const args = [nest, 'build', 'sample', '--path', relative(ROOT, path)];
    await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    await rm(path);
    return { folder };
  });
}

/** Returns the compiled file of a module of the app. */
export const compiled = (module: string): string => compiledFile(join('apps/sample/src', module));

/** @param path relative to the repository, such as `test/faults/workers/coffee-shop.js` */
export const compiledFile = (path: string): string => join(outDir(), path);

/**
 * Runs `main` (start:prod) or `demo` (npm start), or another file, in a folder, with this environment and nothing else.
 * @param preload a module that Node loads before
 */
export function runApp(
  entry: string,
  { cwd, env = {}, preload }: { cwd: string; env?: Record<string, string>; preload?: string },
): AppProcess {
  const file = isAbsolute(entry) ? entry : compiled(`${entry}.js`);
  const child = spawn(process.execPath, [...(preload ? ['--import', preload] : []), file], {
    cwd,
    env: { PATH: process.env['PATH'], SHUTDOWN_DRAIN: '0s', ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += String(chunk)));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return {
    output: () => output,
    running: () => child.exitCode === null,
    pause: () => void child.stdout.pause(),
    resume: () => void child.stdout.resume(),
    exit,
    async says(text) {
      const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null; // killed by a signal: no exit code
      while (!hasEnded() && output.search(text) < 0)
        await Promise.race([once(child.stdout, 'data'), exit]);
      if (output.search(text) < 0)
        throw new Error(`The app ended without printing ${String(text)}:\n${output}`);
      return output;
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exit;
    },
  };
}
