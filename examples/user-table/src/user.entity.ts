// #region entity
import { Column, Entity, PrimaryGeneratedColumn, Unique } from 'typeorm';

/** A user of one mini program. An openid is unique within its app only. */
@Entity('users')
@Unique(['appId', 'openid'])
export class User {
  @PrimaryGeneratedColumn('uuid')
  id: string;

  @Column({ name: 'app_id' })
  appId: string;

  @Column()
  openid: string;

  @Column({ type: 'text', nullable: true })
  unionid?: string;

  @Column({ name: 'nick_name', type: 'text', default: '' })
  nickName: string;
}
// #endregion entity
