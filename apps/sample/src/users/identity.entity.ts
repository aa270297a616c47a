import { Column, CreateDateColumn, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Relation } from 'typeorm';
import type { User } from './user.entity.js';

/** A WeChat user of one app (appId and openid) and the account that it belongs to. An account has at most one in each app. */
@Entity('identities')
export class Identity {
  @PrimaryColumn({ name: 'app_id', type: 'text' })
  appId: string;

  @PrimaryColumn({ type: 'text' })
  openid: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @ManyToOne('User', 'identities', { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id' })
  user: Relation<User>;

  /** The unionid that WeChat returned at the last login of this openid; `null` if it returned none. */
  @Column({ type: 'text', nullable: true })
  unionid: string | null;

  /** Whether only a phone number connects this openid with the account. `ownIdentities` also looks at the unionid. */
  @Column({ name: 'joined_by_phone', type: 'boolean', default: false })
  joinedByPhone: boolean;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;
}
