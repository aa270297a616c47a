import { WechatConfigError } from './wechat.errors.js';

/** Returns the problems of the WechatConfigError that `work` throws. Secrets in the spec contain CANARY. */
export function problemsOf(work: () => unknown): string[] {
  try {
    work();
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(WechatConfigError);
    expect((error as Error).message).not.toContain('CANARY');
    return (error as WechatConfigError).problems;
  }
}
