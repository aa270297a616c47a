import {
  Column,
  CreateDateColumn,
  Entity,
  OneToMany,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
} from 'typeorm';
import { Identity } from './identity.entity.js';

/** An account: one person, in one or more WeChat apps. */
@Entity('users')
export class User {
  @PrimaryGeneratedColumn('uuid')
  id: string;

  /** As WeChat returns it, for display. */
  @Column({ name: 'phone_number', type: 'text', nullable: true })
  phoneNumber: string | null;

  /** The same number in international form, `+8613580006666`. Numbers are compared in this form. */
  @Column({ name: 'phone_e164', type: 'text', nullable: true, unique: true })
  phoneE164: string | null;

  /** When WeChat last returned this number for one of the account's own identities; `null` if that is not known. */
  @Column({ name: 'phone_verified_at', type: 'timestamptz', nullable: true })
  phoneVerifiedAt: Date | null;

  @Column({ type: 'text', nullable: true, unique: true })
  unionid: string | null;

  @Column({ name: 'nick_name', type: 'text', nullable: true })
  nickName: string | null;

  /** When WeChat passed the name; `null` if it was not checked. */
  @Column({ name: 'nick_name_checked_at', type: 'timestamptz', nullable: true })
  nickNameCheckedAt: Date | null;

  /** WeChat has changed the profile, so the mini program asks the user for it again. */
  @Column({ name: 'profile_stale', type: 'boolean', default: false })
  profileStale: boolean;

  @Column({ name: 'avatar_url', type: 'text', nullable: true })
  avatarUrl: string | null;

  /** The uploaded file behind `avatarUrl`, if the user uploaded a picture. */
  @Column({ name: 'avatar_file', type: 'text', nullable: true, unique: true })
  avatarFile: string | null;

  @Column({ type: 'smallint', nullable: true })
  gender: number | null;

  @Column({ type: 'text', nullable: true })
  country: string | null;

  @Column({ type: 'text', nullable: true })
  province: string | null;

  @Column({ type: 'text', nullable: true })
  city: string | null;

  @Column({ type: 'text', nullable: true })
  language: string | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;

  @OneToMany(() => Identity, 'user')
  identities: Identity[];
}
