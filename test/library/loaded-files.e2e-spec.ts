import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(__dirname, '../..');
const run = promisify(execFile);

/** The files that `import name` and the statements load, from the library's sources and from node_modules. */
async function filesOf(name: string, statements = ''): Promise<string[]> {
  const { stdout } = await run(
    process.execPath,
    [
      ...['--import', join(ROOT, 'test/faults/workers/register.mjs')],
      ...['--import', join(ROOT, 'test/support/loaded-files.mjs')],
      ...['--input-type=module', '--eval', `import * as library from '${name}';${statements}`],
    ],
    { cwd: ROOT, maxBuffer: 16 << 20 },
  );
  return stdout.split('\n').filter((file) => !file.startsWith('node:'));
}

const PAY = /libs\/wechat\/src\/pay[./]/;
const XML = /node_modules\/(@rgrove\/parse-xml|fast-xml-parser|xml2js|sax)\//;
const PASSPORT = /node_modules\/(@nestjs\/passport|passport|passport-custom)\//;
const WECHAT_MODULE =
  /libs\/wechat\/src\/(wechat\.module|index|platform|session|auth|access-token)\b/;

describe('an application that imports', () => {
  it.each([
    ['nestjs-wechat', 'no file of pay/ and no XML parser', [PAY, XML], WECHAT_MODULE],
    ['nestjs-wechat/pay', 'no Passport and no WechatModule', [PASSPORT, WECHAT_MODULE, XML], PAY],
  ])('%s loads %s', async (name, _, unused, used) => {
    const files = await filesOf(name);
    expect(files.filter((file) => unused.some((pattern) => pattern.test(file)))).toEqual([]);
    expect(files.filter((file) => used.test(file)).length).toBeGreaterThan(5); // control
  });

  it('nestjs-wechat, and opens a push in XML, loads the parser: control', async () => {
    const body = `Buffer.from('<xml><MsgType>text</MsgType></xml>')`;
    const query = `{ timestamp: '1', nonce: '2', signature: '${createHash('sha1').update('12AAAAA').digest('hex')}' }`;
    const files = await filesOf(
      'nestjs-wechat',
      `library.openPush({ token: 'AAAAA', appId: 'wx', query: ${query}, body: ${body}, maxAge: 0 })`,
    );
    expect(files.some((file) => XML.test(file))).toBe(true);
  });

  it('nestjs-wechat/passport loads Passport: control', async () => {
    const files = await filesOf('nestjs-wechat/passport');
    expect(files.some((file) => PASSPORT.test(file))).toBe(true);
  });
});
