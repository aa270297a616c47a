import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(__dirname, '../..');
/** A folder in `dist`, one for each worker of jest, so that no worker replaces the files of a running app. */
const NAME = `test-app-${process.env['JEST_WORKER_ID']}`;
const OUT = join(ROOT, 'dist', NAME);

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

/** Compiles the app as `npm start` does, because production runs ESM and jest runs CommonJS. */
export async function buildApp(): Promise<void> {
  const compilerOptions = { outDir: NAME, rootDir: '..' };
  const tsconfig = {
    extends: '../apps/sample/tsconfig.app.json',
    compilerOptions,
    include: ['../apps/sample/src/**/*'],
  };
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  await writeFile(`${OUT}.json`, JSON.stringify(tsconfig));
  const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
  await promisify(execFile)(
    process.execPath,
    [nest, 'build', 'sample', '--path', `dist/${NAME}.json`],
    { cwd: ROOT },
  );
}

/** Returns the compiled file of a module of the app. */
export function compiled(module: string): string {
  return join(OUT, 'apps/sample/src', module);
}

/** Runs `main` (start:prod) or `demo` (npm start), or another file, in a folder, with this environment and nothing else. */
export function runApp(
  entry: string,
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): AppProcess {
  const child = spawn(
    process.execPath,
    [entry.endsWith('.mjs') ? entry : compiled(`${entry}.js`)],
    {
      cwd,
      env: { PATH: process.env['PATH'], ...env },
    },
  );
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
