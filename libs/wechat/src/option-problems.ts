import { WechatConfigError } from './wechat.errors.js';

/** Collects every problem of the options instead of stopping at the first. A text names the option and never its value, which can be a secret. */
export class OptionProblems {
  readonly found: string[] = [];

  /** @param nameOf returns the name of an option in the texts, such as the variable that it was read from */
  constructor(private readonly nameOf: (option: string) => string) {}

  expect(ok: unknown, option: string, problem: string): void {
    this.report(option, ok ? undefined : problem);
  }

  report(option: string, problem: string | undefined): void {
    if (problem) this.found.push(`${this.nameOf(option)} ${problem}`);
  }

  /** @throws WechatConfigError with every problem */
  throwIfAny(): void {
    if (this.found.length > 0) throw new WechatConfigError(this.found);
  }
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Returns an https URL or an http URL of this machine, without a user; `undefined` for any other text. */
export function readSafeUrl(text: string | undefined): URL | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isSafe =
    url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname));
  return isSafe && !url.username ? url : undefined;
}
