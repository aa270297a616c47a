import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** A push about a user that the app has not worked on yet. */
@Entity('account_pushes')
export class AccountPush {
  @PrimaryColumn('uuid')
  id: string;

  /** `Event` as WeChat writes it. */
  @Column({ type: 'text' })
  event: string;

  @Column({ name: 'app_id', type: 'text' })
  appId: string;

  @Column({ type: 'text' })
  openid: string;

  /** `RevokeInfo`: which data the user has withdrawn. */
  @Column({ type: 'text', nullable: true })
  revoked: string | null;

  @Column({ type: 'boolean' })
  encrypted: boolean;

  /** By the clock of the database, like `createdAt` of accounts and recordings. */
  @CreateDateColumn({ name: 'arrived_at', type: 'timestamptz' })
  arrivedAt: Date;

  @Column({ name: 'due_at', type: 'timestamptz' })
  dueAt: Date;
}
