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

describe('npm start', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-start-'));
    const write = (path: string, text: string): void => {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    for (const path of ['nest-cli.json', 'package-lock.json', 'tsconfig.json']) write(path, '{}');
    for (const path of ['apps/sample', 'libs/wechat', 'libs/wechat-sandbox'])
      write(`${path}/src/index.ts`, '');
    write('apps/sample/tsconfig.app.json', '{}');
    write('node_modules/@nestjs/cli/bin/nest.js', COMPILER);
    cpSync(join(ROOT, 'tools/start.mjs'), join(folder, 'tools/start.mjs'), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const run = async (): Promise<{ first: string; output: string }> => {
    const child = spawn(process.execPath, ['tools/start.mjs'], { cwd: folder });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    await once(child.stdout, 'data');
    const first = output;
    await once(child, 'close');
    return { first, output };
  };

  it('prints that it compiles before it compiles, and then what it starts', async () => {
    const { first, output } = await run();
    expect(first).toMatch(/^Compiling the reference app .* 20 to 90 seconds/);
    expect(output).toMatch(
      /Compiled in \d+ s\.\nStarting the WeChat sandbox.*\nThe demo runs\.\n$/,
    );
  });

  it('does not compile the same sources twice', async () => {
    const { first, output } = await run();
    expect(first).toMatch(/^Starting the WeChat sandbox/);
    expect(output).not.toContain('Compil');
  });
});
