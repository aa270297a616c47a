import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { randomUUID } from 'node:crypto';
import { In, Repository } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { PAGE_ROWS } from '../common/in-pages.js';
import { AppConfig } from '../config.js';
import type { StoredFile } from '../files/stored-files.js';
import type { User } from '../users/user.entity.js';
import { Content } from './content.entity.js';
import type { ContentKind, ContentStatus } from './content.entity.js';

/** A file that is being stored. */
export interface NewContent extends Pick<Content, 'kind' | 'file' | 'extension' | 'isCheckable'> {
  user: User;
  recordingId?: string;
}

/** The feature that stores the files of one kind. */
export interface ContentHolder {
  /** Opens a file for WeChat; `undefined` if it is missing. */
  open(content: Content): Promise<{ file: StoredFile; type: string } | undefined>;
  /** Runs in the transaction that changes the status. Returns the files that are not needed any more. */
  decided(db: EntityManager, content: Content, mayDelete: boolean): Promise<string[]>;
  remove(files: string[]): Promise<void>;
}

export interface Decision {
  /** The statuses that the decision changes. In another one nothing happens. */
  from: ContentStatus[];
  checkedAt?: Date;
  /** Whether a blocked file may be deleted. @default true */
  mayDelete?: boolean;
}

/** Files that were published without a check, from an index. */
export const PUBLISHED_UNCHECKED = `
  SELECT id, file FROM contents WHERE status = 'ok' AND checked_at IS NULL ORDER BY id LIMIT ${PAGE_ROWS}`;

const HIDE_AVATARS =
  'UPDATE users SET avatar_file = NULL, avatar_url = NULL WHERE avatar_file = ANY($1)';

const CHECK = `
  UPDATE contents SET status = CASE WHEN is_checkable THEN 'checking' ELSE 'unchecked' END,
    due_at = CASE WHEN is_checkable THEN $2::timestamptz END
  WHERE id = ANY($1) AND status = 'ok' AND checked_at IS NULL`;

/** The status of uploaded files. Only a file that is `ok` may reach other users. */
@Injectable()
export class Contents implements OnApplicationBootstrap {
  private readonly holders = new Map<ContentKind, ContentHolder>();

  constructor(
    @InjectRepository(Content) private readonly rows: Repository<Content>,
    private readonly config: AppConfig,
    private readonly clock: AppClock,
  ) {}

  /** Call it in a constructor, so that the holder is known before the app starts. */
  hold(kind: ContentKind, holder: ContentHolder): void {
    this.holders.set(kind, holder);
  }

  holderOf({ kind }: Content): ContentHolder {
    const holder = this.holders.get(kind);
    if (!holder) throw new Error(`No feature holds the files of ${kind}.`);
    return holder;
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.config.contentCheck === 'on') await this.checkPublished();
  }

  /**
   * Files that were published without a check are checked from now on. Until then they are not visible. The start waits for it, in pages
   * that each take a moment. After CONTENT_CHECK was switched on these are all files, later none.
   */
  private async checkPublished(): Promise<void> {
    const page = await this.rows.query<Pick<Content, 'id' | 'file'>[]>(PUBLISHED_UNCHECKED);
    if (page.length === 0) return;
    await this.rows.query(HIDE_AVATARS, [page.map(({ file }) => file)]); // first, because a crash repeats this page
    await this.rows.query(CHECK, [page.map(({ id }) => id), this.clock.now()]);
    return this.checkPublished();
  }

  /** Adds a file in the transaction that adds its other row. Without a check it is `ok`. */
  async add(db: EntityManager, { user, ...content }: NewContent): Promise<Content> {
    const [identity] = user.identities ?? [];
    const now = this.clock.now();
    const isChecked = this.config.contentCheck === 'on';
    const added = db.create(Content, {
      recordingId: null,
      ...content,
      id: randomUUID(),
      userId: user.id,
      appId: identity?.appId ?? null,
      openid: identity?.openid ?? null,
      status: !isChecked ? 'ok' : content.isCheckable ? 'checking' : 'unchecked',
      dueAt: isChecked && content.isCheckable ? now : null,
      createdAt: now,
    });
    await db.insert(Content, added);
    return added;
  }

  find(id: string): Promise<Content | null> {
    return this.rows.findOneBy({ id });
  }

  /** The statuses of recordings, by the id of the recording. */
  async statusesOf(recordingIds: string[]): Promise<Map<string | null, ContentStatus>> {
    const rows = await this.rows.findBy({ recordingId: In(recordingIds) });
    return new Map(rows.map(({ recordingId, status }) => [recordingId, status]));
  }

  /**
   * Changes the status of a file, and publishes or removes the file. The only place that changes a status. The row of the user is locked
   * first, as uploads do.
   * @returns whether the status was one of `from`
   */
  async decide(
    id: string,
    status: ContentStatus,
    { from, checkedAt, mayDelete = true }: Decision,
  ): Promise<boolean> {
    const decided = await this.rows.manager.transaction(async (db) => {
      await db.query(
        'SELECT 1 FROM users WHERE id = (SELECT user_id FROM contents WHERE id = $1) FOR UPDATE',
        [id],
      );
      const changes = { status, checkedAt, dueAt: null, checkToken: null };
      const { affected } = await db.update(Content, { id, status: In(from) }, changes);
      if (!affected) return undefined;
      const content = await db.findOneByOrFail(Content, { id });
      return { content, files: await this.holderOf(content).decided(db, content, mayDelete) };
    });
    if (decided && mayDelete) await this.holderOf(decided.content).remove(decided.files);
    return decided !== undefined;
  }
}
