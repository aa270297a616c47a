import { exchange } from '../deliveries/exchange.js';
import type { Agenda } from '../world/agenda.js';
import { BoundedMap } from '../world/bounded-map.js';
import { milliseconds, unixSeconds, type Duration } from '../world/clock.js';
import { newRid } from '../world/ids.js';
import type { PushContent } from '../world/push.js';
import { SandboxError } from '../world/sandbox-error.js';
import { errmsgOf } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';

/** What `wechat.contentVerdict()` sets. */
export interface ContentVerdictOptions {
  suggest?: 'pass' | 'review' | 'risky';
  /** @default 100 for `pass`, else 20001 */
  label?: number;
  /** The check fails with this errcode: -1008 means that WeChat could not download the file. */
  errcode?: number;
  /** When the push of a file's verdict is sent, by the sandbox's clock. @default '2s' for `'*'`, at once for a trace id */
  after?: Duration;
  /** With `'*'`: the push is sent, and its response awaited, before `media_check_async` responds. */
  before?: boolean;
}

/** A file that WeChat is checking. */
export interface MediaCheck {
  appId: string;
  openid: string;
  url: string;
}

interface StartedCheck extends MediaCheck {
  downloaded: Promise<boolean>;
  /** Counts the verdicts that were planned. Only the newest is sent. */
  plans: number;
}

const KEPT = 10_000;
const LARGEST_FILE = 10 * 1024 * 1024;
const DOWNLOAD_FAILED = -1008;
const DEFAULT_DELAY = '2s';
const NORMAL = 100;
const RISKY = 20_001;
const SUGGESTIONS = ['pass', 'review', 'risky'];

/** 内容安全: verdicts on texts and files. */
export class ContentChecks {
  private readonly checks = new BoundedMap<string, StartedCheck>(KEPT);
  private rule?: ContentVerdictOptions;

  constructor(
    private readonly world: World,
    private readonly agenda: Agenda,
    private readonly closing: AbortSignal,
  ) {}

  /** The verdict that a test set for all checks. Undefined: the usual one. */
  get lasting(): ContentVerdictOptions | undefined {
    return this.rule;
  }

  newTraceId(): string {
    return newRid(unixSeconds(this.world.clock.now()));
  }

  /** Sets the verdict of all later checks, or sends the verdict of one file. */
  decide(traceId: string, options: ContentVerdictOptions): void {
    assertOptions(options);
    if (traceId === '*') {
      this.rule = options;
      return;
    }
    const check = this.checks.get(traceId);
    if (!check) throw new SandboxError(`There is no check of a file with the trace id ${traceId}.`);
    this.plan(traceId, check, options, milliseconds(options.after ?? 0));
  }

  /** Downloads a file and plans its verdict. Resolves when the call may respond. */
  async start(media: MediaCheck): Promise<string> {
    const traceId = this.newTraceId();
    const check: StartedCheck = { ...media, downloaded: this.download(media.url), plans: 0 };
    this.checks.set(traceId, check);
    const rule = this.rule ?? {};
    if (rule.before === true) await this.send(traceId, check, rule);
    else this.plan(traceId, check, rule, milliseconds(rule.after ?? DEFAULT_DELAY));
    return traceId;
  }

  private plan(
    traceId: string,
    check: StartedCheck,
    options: ContentVerdictOptions,
    delay: number,
  ): void {
    const plan = ++check.plans;
    this.agenda.add(this.world.clock.now() + delay, async () => {
      await check.downloaded;
      if (plan === check.plans) void this.send(traceId, check, options);
    });
  }

  private async send(
    traceId: string,
    check: StartedCheck,
    options: ContentVerdictOptions,
  ): Promise<void> {
    const downloaded = await check.downloaded;
    const errcode = downloaded ? (options.errcode ?? 0) : DOWNLOAD_FAILED;
    await this.world.pushes?.emit(check.appId, pushOf(traceId, check, { ...options, errcode }));
  }

  private async download(url: string): Promise<boolean> {
    const { status } = await exchange('GET', url, {}, this.closing, LARGEST_FILE);
    return status === 200;
  }
}

/** The fields `result` and `detail` of a verdict, as a response and a push have them. */
export function verdictFields({ suggest = 'pass', label }: ContentVerdictOptions): {
  result: object;
  detail: object[];
} {
  const result = { suggest, label: label ?? (suggest === 'pass' ? NORMAL : RISKY) };
  return { result, detail: [{ strategy: 'content_model', errcode: 0, ...result, prob: 90 }] };
}

function pushOf(
  traceId: string,
  { appId, openid }: MediaCheck,
  options: ContentVerdictOptions & { errcode: number },
): PushContent {
  const { errcode } = options;
  return {
    FromUserName: openid,
    MsgType: 'event',
    Event: 'wxa_media_check',
    appid: appId,
    trace_id: traceId,
    version: 2,
    ...(errcode === 0 && verdictFields(options)),
    errcode,
    errmsg: errmsgOf(errcode),
  };
}

/** Options also come from curl, so TypeScript alone does not guard them. */
function assertOptions({ suggest, label, errcode, after }: ContentVerdictOptions): void {
  if (suggest !== undefined && !SUGGESTIONS.includes(suggest))
    throw new SandboxError(`suggest must be one of ${SUGGESTIONS.join(', ')}.`);
  for (const [name, value] of Object.entries({ label, errcode }))
    if (value !== undefined && !Number.isInteger(value))
      throw new SandboxError(`${name} must be a whole number.`);
  if (after !== undefined) milliseconds(after);
}
