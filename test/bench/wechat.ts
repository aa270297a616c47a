import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { serveTasks } from './child.js';

/** Runs the sandbox in its own process, so that its CPU time is not counted as the library's. */
const wechat = await startWechatSandbox({ quotas: { '/sns/jscode2session': {} } });

serveTasks({
  open: () => ({
    url: wechat.url,
    apps: wechat.apps.map(({ appId, secret, kind }) => ({ appId, secret, kind })),
  }),
  calls: (path: string) => wechat.requestsTo(path).length,
  codes: (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => (await wechat.users.create().login()).code),
    ),
});
