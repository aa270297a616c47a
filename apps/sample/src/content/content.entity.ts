import { Column, Entity, PrimaryColumn } from 'typeorm';

export type ContentKind = 'avatar' | 'recording';

/**
 * `checking` → `ok`, `review` or `blocked` by WeChat's verdict. `review` → `ok` or `blocked`, and `ok` → `blocked`, by a person.
 * `unchecked`: WeChat cannot check the file.
 */
export type ContentStatus = 'checking' | 'ok' | 'review' | 'blocked' | 'unchecked';

/** An uploaded file, and whether other users may get it. `Contents` is the only writer of its status. */
@Entity('contents')
export class Content {
  @PrimaryColumn('uuid')
  id: string;

  @Column({ type: 'text' })
  kind: ContentKind;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  /** The name of the file in its folder; `null` once it is deleted. */
  @Column({ type: 'text', nullable: true })
  file: string | null;

  @Column({ name: 'recording_id', type: 'uuid', nullable: true })
  recordingId: string | null;

  /** Of the address at which WeChat downloads the file, such as `mp3`. */
  @Column({ type: 'text' })
  extension: string;

  /** Whether WeChat can check the file. */
  @Column({ name: 'is_checkable', type: 'boolean' })
  isCheckable: boolean;

  @Column({ type: 'text' })
  status: ContentStatus;

  /** When WeChat or a person decided; `null` if the file was published without a check. */
  @Column({ name: 'checked_at', type: 'timestamptz', nullable: true })
  checkedAt: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  /** The WeChat user who uploaded it, as `openid`. */
  @Column({ name: 'app_id', type: 'text', nullable: true })
  appId: string | null;

  @Column({ type: 'text', nullable: true })
  openid: string | null;

  /** How many times WeChat has accepted the check. */
  @Column({ type: 'integer', default: 0 })
  asks: number;

  /** How many checks have failed. */
  @Column({ type: 'integer', default: 0 })
  failures: number;

  /** When WeChat is asked next; `null`: never. */
  @Column({ name: 'due_at', type: 'timestamptz', nullable: true })
  dueAt: Date | null;

  /** Part of the address at which WeChat downloads the file. */
  @Column({ name: 'check_token', type: 'text', nullable: true })
  checkToken: string | null;

  @Column({ name: 'check_until', type: 'timestamptz', nullable: true })
  checkUntil: Date | null;

  /** Part of the link that the owner shares. */
  @Column({ name: 'share_token', type: 'text', nullable: true })
  shareToken: string | null;
}
