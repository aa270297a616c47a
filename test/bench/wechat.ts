import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { serveTasks } from './child.js';

interface Payment {
  person: number;
  parameters: Parameters<SandboxUser['requestPayment']>[0];
}

/** Runs the sandbox in its own process, so that its CPU time is not counted as the library's. */
const wechat = await startWechatSandbox({ quotas: { '/sns/jscode2session': {} } });
const people: SandboxUser[] = [];

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
  /** Creates users who stay: the next tasks name them by their index. */
  addPeople: (count: number) => {
    for (let i = 0; i < count; i++) people.push(wechat.users.create());
  },
  codesOf: (indexes: number[]) =>
    Promise.all(indexes.map(async (index) => (await people[index]!.login()).code)),
  /** Pays on the phone. */
  pay: ({ person, parameters }: Payment) => people[person]!.requestPayment(parameters),
  /** The variables of the merchant, without the notify URL, which has a default. */
  merchant: () => {
    const { WECHAT_PAY_NOTIFY_URL: _, ...env } = wechat.pay.merchant.env({ notifyUrl: '' });
    return env;
  },
});
