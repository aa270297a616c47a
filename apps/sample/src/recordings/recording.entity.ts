import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { AudioFormat } from './audio.js';

/** A recording. Its audio is in a file with the id as its name. */
@Entity('recordings')
export class Recording {
  @PrimaryColumn('uuid')
  id: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column({ type: 'text' })
  format: AudioFormat;

  /** Bytes. */
  @Column({ name: 'file_size', type: 'integer' })
  fileSize: number;

  /** Milliseconds. */
  @Column({ type: 'integer' })
  duration: number;

  /** Since when the file has been missing; `null` if it is there. */
  @Column({ name: 'missing_since', type: 'timestamptz', nullable: true })
  missingSince: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;
}
