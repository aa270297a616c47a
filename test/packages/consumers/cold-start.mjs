// Measures a cold start of the quickstart, in milliseconds after the start of its process. Prints the medians of five starts.
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const STARTS = 5;
const wechat = await startWechatSandbox();
const [{ appId, secret }] = wechat.apps;
const program = fileURLToPath(new URL('cold-process.mjs', import.meta.url));

const starts = [];
for (let i = 0; i < STARTS; i++) {
  const { code } = await wechat.users.create().login();
  const env = {
    ...process.env,
    CODE: code,
    WECHAT_API_BASE_URL: wechat.url,
    WECHAT_MINI_APP_ID: appId,
    WECHAT_MINI_APP_SECRET: secret,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [program], { env });
  starts.push(JSON.parse(stdout));
}
await wechat.close();

const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const medians = Object.keys(starts[0]).map((step) => {
  const ms = Math.round(middle(starts.map((start) => start[step])));
  return `${step} ${ms} ms`;
});
process.stdout.write(`${medians.join(', ')}\n`);
