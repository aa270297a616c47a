import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { answerQuestions } from './child.js';

/** WeChat, in a process of its own, so that its time is not the library's. */
const wechat = await startWechatSandbox({ quotas: { '/sns/jscode2session': {} } });

answerQuestions({
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
