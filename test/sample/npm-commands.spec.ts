import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Replaces `nest build sample`: waits for 300 ms, and writes a demo that prints one line. */
const COMPILER = `
  const { mkdirSync, writeFileSync } = require('node:fs');
  setTimeout(() => {
    const folder = 'dist/apps/sample/apps/sample/src';
    mkdirSync(folder, { recursive: true });
    writeFileSync(folder + '/demo.js', 'console.log("The demo runs.")');
  }, 300);`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-commands-'));
  cpSync(join(ROOT, 'tools'), join(folder, 'tools'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = (path: string, text: string): void => {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};

const run = async (
  ...args: string[]
): Promise<{ first: string; output: string; status: number }> => {
  const child = spawn(process.execPath, args, { cwd: folder });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  await once(child.stdout, 'data');
  const first = output;
  const [status] = (await once(child, 'close')) as [number];
  return { first, output, status };
};

describe('npm start', () => {
  beforeAll(() => {
    for (const path of ['nest-cli.json', 'package-lock.json', 'tsconfig.json']) write(path, '{}');
    for (const path of ['apps/sample', 'libs/wechat', 'libs/wechat-sandbox'])
      write(`${path}/src/index.ts`, '');
    write('apps/sample/tsconfig.app.json', '{}');
    write('node_modules/@nestjs/cli/bin/nest.js', COMPILER);
  });

  it('prints that it compiles before it compiles, and then what it starts', async () => {
    const { first, output } = await run('tools/start.mjs');
    expect(first).toMatch(/^Compiling the reference app .* 20 to 90 seconds/);
    expect(output).toMatch(
      /Compiled in \d+ s\.\nStarting the WeChat sandbox.*\nThe demo runs\.\n$/,
    );
  });

  it('does not compile the same sources twice', async () => {
    const { first, output } = await run('tools/start.mjs');
    expect(first).toMatch(/^Starting the WeChat sandbox/);
    expect(output).not.toContain('Compil');
  });
});

describe('npm test', () => {
  const typecheckIs = (typecheck: string): void =>
    write('package.json', JSON.stringify({ scripts: { lint: 'node -e 0', typecheck } }));
  beforeAll(() =>
    write('node_modules/jest/bin/jest.js', 'console.log("jest", ...process.argv.slice(2))'),
  );

  it('prints at once what it does, each check, the tests with its arguments, and the total', async () => {
    typecheckIs('node -e 0');
    const { first, output, status } = await run('tools/test.mjs', 'test/library');
    expect(first).toMatch(/^Checking format, lint rules and types/);
    expect(output).toMatch(/^ {2}lint: passed after \d+ s$/m);
    expect(output).toMatch(/^ {2}typecheck: passed after \d+ s$/m);
    expect(output).toMatch(/\njest test\/library\nnpm test passed after \d+ s\n$/);
    expect(status).toBe(0);
  });

  it('prints the output of a failed check, and runs no test', async () => {
    typecheckIs(`node -e "console.log('TS2322');process.exit(2)"`);
    const { output, status } = await run('tools/test.mjs');
    expect(output).toMatch(/TS2322\ntypecheck failed\n[^]*npm test failed after \d+ s\n$/);
    expect(output).not.toContain('jest');
    expect(status).toBe(2);
  });
});
