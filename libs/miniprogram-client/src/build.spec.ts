import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { minify } from '@swc/core';
import * as ts from 'typescript';
import { createPhone } from '../test-support/wx-shim.js';
import { FakeServer } from '../test-support/fake-server.js';
import type * as client from './index.js';

const library = join(__dirname, '..');
const out = mkdtempSync(join(tmpdir(), 'miniprogram-client-'));
let built: string;

beforeAll(() => {
  execFileSync(process.execPath, [join(library, 'build.mjs'), out]);
  built = readFileSync(join(out, 'index.js'), 'utf8');
});
afterAll(() => rmSync(out, { recursive: true }));

/** TypeScript emits the same code for ES5 as for current engines only if the code uses nothing newer than ES5. */
function isES5(code: string): boolean {
  const { ES5, ESNext } = ts.ScriptTarget;
  return writtenFor(ES5, code) === writtenFor(ESNext, code);
}

function writtenFor(target: ts.ScriptTarget, code: string): string {
  const { CommonJS } = ts.ModuleKind;
  return ts.transpileModule(code, {
    compilerOptions: { target, module: CommonJS, ignoreDeprecations: '6.0' },
  }).outputText;
}

describe('the built package', () => {
  it('is one file of ES5 without a require', () => {
    expect(isES5(built)).toBe(true);
    expect(built).not.toContain('require(');
    for (const newer of [
      'a = () => 1',
      'const a = 1',
      'class A {}',
      'a = `b`',
      'a = b?.c',
      'a = { b }',
      'function* a() {}',
      'for (a of b);',
    ]) {
      expect(isES5(newer)).toBe(false);
    }
  });

  it('is under 8 KB when minified, as WeChat uploads it', async () => {
    const { code } = await minify(built, {
      compress: { toplevel: true, passes: 3 },
      mangle: { toplevel: true },
      ecma: 5,
    });
    expect(code.length).toBeLessThan(8 * 1024);
  });

  it('runs with nothing but ES5, Promise, timers and wx', async () => {
    const server = new FakeServer();
    const { wx } = createPhone({ send: server.send, login: server.wxLogin });
    const exports: Partial<typeof client> = {};
    runInNewContext(built, { exports, wx, setTimeout, clearTimeout });
    const session = exports.createSession?.({ baseUrl: server.url });
    expect(await session?.request({ url: '/me' })).toMatchObject({ by: 'rd-1' });
  });

  describe('with Taro, whose functions also return a promise', () => {
    const taro = `
      const failing = (name) => (options) => new Promise((_, reject) => setTimeout(() => {
        options.fail({ errMsg: name + ':fail' });
        reject({ errMsg: name + ':fail' });
      }));
      const wx = { login: failing('login'), getSetting: failing('getSetting'), getStorageSync() {} };`;
    const run = (script: string) =>
      spawnSync(process.execPath, ['-e', taro + script], { encoding: 'utf8', timeout: 30_000 });

    it('handles the rejections of failed calls', () => {
      const { status, stdout, stderr } = run(`
        const { createSession, ensureScope } = require(${JSON.stringify(join(out, 'index.js'))});
        const say = ({ message }) => console.log(message);
        createSession({ baseUrl: 'https://api.example.com', wx }).request({ url: '/me' }).catch(say);
        ensureScope('scope.record', { wx }).catch(say);`);
      expect([status, stdout, stderr]).toEqual([0, 'login:fail\ngetSetting:fail\n', '']);
    });

    it('control: with callbacks alone, a failed call is an unhandled rejection', () => {
      const { status, stderr } = run(`wx.login({ fail() {} });`);
      expect([status, stderr]).toEqual([1, expect.stringContaining('ERR_UNHANDLED_REJECTION')]);
    });
  });
});
