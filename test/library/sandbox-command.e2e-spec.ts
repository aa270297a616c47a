import { wechatPayOptionsFromEnv } from 'nestjs-wechat/pay';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { startPayServices } from '../support/pay-services.js';

const ROOT = join(__dirname, '../..');

describe('the command nestjs-wechat-sandbox', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wechat-sandbox-'));
  let sandbox: ChildProcess | undefined;
  afterEach(async () => {
    if (sandbox?.kill()) await once(sandbox, 'exit');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function start(...args: string[]): Promise<void> {
    const file = join(ROOT, 'libs/wechat-sandbox/src/cli.ts');
    const register = join(ROOT, 'test/faults/workers/register.mjs');
    sandbox = spawn(process.execPath, ['--import', register, file, '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(sandbox.stdout!, 'data');
  }

  it('--pay-env writes the merchant for an application in another process, readable by its owner only', async () => {
    const file = join(folder, 'pay.env');
    writeFileSync(file, 'WECHAT_PAY_MCH_ID=1\n');
    chmodSync(file, 0o644);
    await start('--app', 'http://127.0.0.1:4000', '--pay-env', file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const options = wechatPayOptionsFromEnv(
      parseEnv(readFileSync(file, 'utf8')) as NodeJS.Dict<string>,
    )!;
    expect(options.notify.url).toBe('http://127.0.0.1:4000/wechat/pay/notify');
    const pay = await startPayServices(options);
    expect(await pay.client.check()).toEqual({ verifiedBy: options.publicKeys![0]!.id });
    await pay.close();
  });
});
