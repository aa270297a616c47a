import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectRepository } from '@nestjs/typeorm';
import { ContentSecurityService, WechatNotVisitedError } from 'nestjs-wechat';
import { randomBytes } from 'node:crypto';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { DueJob, LOOK_EVERY_MS } from '../common/due-job.js';
import { AppConfig } from '../config.js';
import { Content } from './content.entity.js';
import type { ContentKind } from './content.entity.js';
import { Verdicts } from './verdicts.js';

/** The name of the timer. */
export const CONTENT_JOB = 'content';

/** How long WeChat can download a file under check, in milliseconds. */
const DOWNLOAD_MS = 2 * 3600_000;

const MEDIA = {
  avatar: { type: 'image', scene: 'profile' },
  recording: { type: 'audio', scene: 'social' },
} as const satisfies Record<ContentKind, object>;

/** Asks WeChat to check the files that are `checking`. `Verdicts` takes the responses. */
@Injectable()
export class MediaChecks extends DueJob<Content> {
  constructor(
    @InjectRepository(Content) rows: Repository<Content>,
    clock: AppClock,
    private readonly verdicts: Verdicts,
    private readonly security: ContentSecurityService,
    private readonly config: AppConfig,
  ) {
    super(rows, clock);
  }

  @Interval(CONTENT_JOB, LOOK_EVERY_MS)
  override async run(): Promise<void> {
    if (this.config.contentCheck === 'on') await super.run();
  }

  protected async workOn(content: Content): Promise<void> {
    const { appId, openid } = content;
    if (appId === null || openid === null || !this.verdicts.mayAsk(content))
      return this.verdicts.giveUp(content);
    try {
      const url = await this.openForWechat(content);
      const media = { ...MEDIA[content.kind], url, appId, openid };
      const { traceId } = await this.security.checkMedia(media);
      await this.verdicts.started(content, appId, traceId);
    } catch (error) {
      if (error instanceof WechatNotVisitedError) return this.verdicts.giveUp(content);
      await this.verdicts.fail(content);
      throw error;
    }
  }

  /** Returns the address of the file, with a new random name. */
  private async openForWechat({ id, extension }: Content): Promise<string> {
    const checkToken = randomBytes(16).toString('hex');
    await this.rows.update(
      { id, status: 'checking' },
      { checkToken, checkUntil: this.clock.in(DOWNLOAD_MS) },
    );
    return `${this.config.publicUrl}/content/checks/${checkToken}.${extension}`;
  }
}
