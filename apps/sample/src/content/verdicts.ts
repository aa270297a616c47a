import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectRepository } from '@nestjs/typeorm';
import { OnWechatMessage, readMediaVerdict } from 'nestjs-wechat';
import type { WechatMessage } from 'nestjs-wechat';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { inPages, PAGE_ROWS } from '../common/in-pages.js';
import { Content } from './content.entity.js';
import { Contents } from './contents.js';

type Suggestion = 'pass' | 'review' | 'risky';

const STATUSES = { pass: 'ok', review: 'review', risky: 'blocked' } as const;

const MINUTE_MS = 60_000;
/** When a check that failed is repeated. Then a person decides. */
const AFTER_FAILURE = [MINUTE_MS, 10 * MINUTE_MS, 40 * MINUTE_MS];
/** WeChat pushes a verdict within 30 minutes. */
const NO_VERDICT_MS = 40 * MINUTE_MS;
/** The first check, and two repeats if no verdict comes. */
const MAX_ASKS = 3;

const FORGET_EVERY_MS = 3600_000;
const VERDICT_KEPT_FOR_MS = 24 * 3600_000;

/** A check as it is known so far: from the response of the call, from the push, or from both. */
interface Check {
  appId: string;
  traceId: string;
  contentId?: string;
  verdict?: Suggestion | 'problem';
  encrypted?: boolean;
}

/** The push can arrive before the response of the call. The second of the two finds what the first has written. */
const RECORD = `
  INSERT INTO content_checks AS old (app_id, trace_id, content_id, verdict, encrypted, created_at)
  VALUES ($1, $2, (SELECT id FROM contents WHERE id = $3), $4, $5, $6)
  ON CONFLICT (app_id, trace_id) DO UPDATE SET
    content_id = coalesce(old.content_id, excluded.content_id),
    verdict = coalesce(old.verdict, excluded.verdict),
    encrypted = coalesce(old.encrypted, excluded.encrypted)
  RETURNING content_id AS "contentId", verdict, encrypted`;

export const FORGET_VERDICTS = `
  DELETE FROM content_checks WHERE (app_id, trace_id) IN
    (SELECT app_id, trace_id FROM content_checks WHERE created_at <= $1 ORDER BY created_at LIMIT ${PAGE_ROWS} FOR UPDATE SKIP LOCKED)`;

/** Takes WeChat's verdicts on files: before the response of their call, after it, twice, late or never. */
@Injectable()
export class Verdicts {
  constructor(
    @InjectRepository(Content) private readonly rows: Repository<Content>,
    private readonly contents: Contents,
    private readonly clock: AppClock,
  ) {}

  @OnWechatMessage('event', 'wxa_media_check')
  async judged(message: WechatMessage): Promise<void> {
    const { appId, encrypted } = message;
    const { traceId, verdict } = readMediaVerdict(message);
    await this.record({ appId, traceId, verdict: verdict?.suggest ?? 'problem', encrypted });
  }

  /** WeChat has accepted the check of a file. */
  async started({ id, asks }: Content, appId: string, traceId: string): Promise<void> {
    await this.rows.update(
      { id, status: 'checking' },
      { asks: asks + 1, dueAt: this.clock.in(NO_VERDICT_MS) },
    );
    await this.record({ appId, traceId, contentId: id });
  }

  mayAsk({ asks }: Content): boolean {
    return asks < MAX_ASKS;
  }

  /** The check has failed, and not the file. It is repeated, or a person decides. */
  async fail(content: Content): Promise<void> {
    const { id, failures } = content;
    const pause = AFTER_FAILURE[failures];
    if (pause === undefined) return this.giveUp(content);
    await this.rows.update(
      { id, status: 'checking', failures },
      { failures: failures + 1, dueAt: this.clock.in(pause) },
    );
  }

  /** WeChat gives no verdict, so a person decides. */
  async giveUp({ id }: Content): Promise<void> {
    await this.contents.decide(id, 'review', { from: ['checking'] });
  }

  /** Forgets verdicts. Those of deleted files have no other end. */
  @Interval(FORGET_EVERY_MS)
  async forget(): Promise<void> {
    await inPages(this.rows, FORGET_VERDICTS, [this.clock.in(-VERDICT_KEPT_FOR_MS)]);
  }

  private async record({ appId, traceId, contentId, verdict, encrypted }: Check): Promise<void> {
    const values = [appId, traceId, contentId, verdict, encrypted, this.clock.now()];
    const [check] = await this.rows.query<Partial<Check>[]>(RECORD, values);
    if (check?.contentId && check.verdict)
      await this.apply(check.contentId, check.verdict, check.encrypted === true);
  }

  private async apply(
    id: string,
    verdict: Suggestion | 'problem',
    encrypted: boolean,
  ): Promise<void> {
    if (verdict !== 'problem') {
      const decision = { checkedAt: this.clock.now(), mayDelete: encrypted };
      await this.contents.decide(id, STATUSES[verdict], { ...decision, from: ['checking'] });
      return;
    }
    const content = await this.contents.find(id);
    if (content) await this.fail(content);
  }
}
