import {
  Column,
  CreateDateColumn,
  Entity,
  OneToMany,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
} from 'typeorm';
import { Identity } from './identity.entity.js';

/** One person, however many apps of WeChat they come from. */
@Entity('users')
export class User {
  @PrimaryGeneratedColumn('uuid')
  id: string;

  /** As WeChat writes it, for people to read. */
  @Column({ name: 'phone_number', type: 'text', nullable: true })
  phoneNumber: string | null;

  /** The same number as the world knows it, `+8613580006666`: what tells two numbers apart. */
  @Column({ name: 'phone_e164', type: 'text', nullable: true, unique: true })
  phoneE164: string | null;

  @Column({ type: 'text', nullable: true, unique: true })
  unionid: string | null;

  @Column({ name: 'nick_name', type: 'text', nullable: true })
  nickName: string | null;

  @Column({ name: 'avatar_url', type: 'text', nullable: true })
  avatarUrl: string | null;

  /** Our copy of the picture that `avatarUrl` points to, where the user uploaded one. */
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
