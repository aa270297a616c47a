import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The id of the only row. */
export const SWEEP_ID = 'files';

/** When the files are compared with their rows next. While an instance does it, the end of its lease. */
@Entity('file_sweep')
export class FileSweep {
  @PrimaryColumn('text')
  id: string;

  @Column({ name: 'due_at', type: 'timestamptz' })
  dueAt: Date;
}
