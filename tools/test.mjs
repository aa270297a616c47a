// `npm test`: the linter and the type check at the same time, then jest. Arguments are those of jest: `npm test -- test/library/session`.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { durationSince, say, track } from './progress.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NPM = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const startedAt = Date.now();

/** Runs a script of package.json. Its output is printed if it fails. */
async function check(name) {
  const since = Date.now();
  const child = spawn(NPM, ['run', '--silent', name], {
    cwd: ROOT,
    shell: process.platform === 'win32',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (output += String(chunk)));
  const status = await track(name, exitOf(child));
  say(status === 0 ? `  ${name}: passed after ${durationSince(since)}` : `${output}${name} failed`);
  return status;
}

const exitOf = (child) =>
  new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));

function runTests() {
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
  return exitOf(
    spawn(process.execPath, [jest, ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' }),
  );
}

say('Checking format, lint rules and types, then running the tests.');
const [worst] = (await Promise.all(['lint', 'typecheck'].map(check))).toSorted((a, b) => b - a);
const status = worst || (await runTests());
say(`npm test ${status === 0 ? 'passed' : 'failed'} after ${durationSince(startedAt)}`);
process.exitCode = status;
