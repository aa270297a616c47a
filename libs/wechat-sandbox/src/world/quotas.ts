import { Calendar } from './clock.js';
import type { SandboxClock } from './clock.js';
import { WechatFailure } from './wechat-failure.js';

/** How often an API may be called. A limit that is absent does not apply. */
export interface Quota {
  /** Calls per app and day (Beijing time). The next one is 45009, or 44993 for links. */
  perDay?: number;
  /** Calls per app and minute. The next one is 45011, 45009 on `/wxa/getwxacodeunlimit`, or 44991 for content security. */
  perMinute?: number;
  /** Calls per user and minute, for APIs that concern one user. The next one is 45011. */
  perUserPerMinute?: number;
}

/** WeChat's limits by path. Those of token and jscode2session come from older versions of its pages. */
export const DEFAULT_QUOTAS: Readonly<Record<string, Quota>> = {
  '/sns/jscode2session': { perUserPerMinute: 100 },
  '/sns/oauth2/access_token': { perMinute: 50_000 },
  '/sns/oauth2/refresh_token': { perMinute: 50_000 },
  '/sns/userinfo': { perMinute: 50_000 },
  '/cgi-bin/token': { perDay: 2000 },
  '/cgi-bin/stable_token': { perMinute: 10_000, perDay: 500_000 },
  '/wxa/getwxacodeunlimit': { perMinute: 5000 },
  '/wxa/msg_sec_check': { perMinute: 4000, perDay: 2_000_000 },
  '/wxa/media_check_async': { perMinute: 2000, perDay: 200_000 },
  '/cgi-bin/message/subscribe/send': { perDay: 10_000_000 },
  '/wxa/generate_urllink': { perDay: 500_000 },
  '/wxa/resetusersessionkey': { perMinute: 60_000 },
};

/** The errcodes of these paths that are not the usual ones. */
const REFUSALS: Readonly<Record<string, { perMinute?: number; perDay?: number }>> = {
  '/wxa/getwxacodeunlimit': { perMinute: 45009 },
  '/wxa/msg_sec_check': { perMinute: 44991 },
  '/wxa/media_check_async': { perMinute: 44991 },
  '/wxa/generate_urllink': { perDay: 44993 },
};
const RESETS_PER_MONTH = 10;

/** Counts calls and refuses those above the limit. */
export class Quotas {
  private readonly counters = new Map<string, { window: number; used: number }>();

  constructor(
    private readonly clock: SandboxClock,
    private readonly rules: Readonly<Record<string, Quota>>,
  ) {}

  /** Counts one call of an app. */
  spend(path: string, appId: string): void {
    const { perDay, perMinute } = this.rule(path);
    const now = this.clock.now();
    const refusals = { perMinute: 45011, perDay: 45009, ...REFUSALS[path] };
    this.count(`${appId} ${path} minute`, Calendar.minute(now), perMinute, refusals.perMinute);
    this.count(`${appId} ${path} day`, Calendar.day(now), perDay, refusals.perDay);
  }

  /** Counts one call for one user. */
  spendForUser(path: string, appId: string, openid: string): void {
    this.count(
      `${appId} ${path} ${openid}`,
      Calendar.minute(this.clock.now()),
      this.rule(path).perUserPerMinute,
      45011,
    );
  }

  /** Returns the number of calls of an app on a path today. */
  usedToday(path: string, appId: string): number {
    const counter = this.counters.get(`${appId} ${path} day`);
    return counter?.window === Calendar.day(this.clock.now()) ? counter.used : 0;
  }

  /** Resets all counters of an app, at most ten times a month. */
  clear(appId: string): void {
    this.count(`resets of ${appId}`, Calendar.month(this.clock.now()), RESETS_PER_MONTH, 48006);
    for (const key of this.counters.keys())
      if (key.startsWith(`${appId} `)) this.counters.delete(key);
  }

  rule(path: string): Quota {
    return this.rules[path] ?? {};
  }

  private count(key: string, window: number, limit = Infinity, refusal: number): void {
    const counter = this.counters.get(key);
    const used = counter?.window === window ? counter.used : 0;
    if (used >= limit) throw new WechatFailure(refusal);
    this.counters.set(key, { window, used: used + 1 });
  }
}
