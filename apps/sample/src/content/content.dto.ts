import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { User } from '../users/user.entity.js';
import type { Content, ContentKind, ContentStatus } from './content.entity.js';

/** Whether other users may see a name, a picture or a recording. */
export class ContentView {
  @ApiProperty({ enum: ['nickname', 'avatar', 'recording'] })
  kind: ContentKind | 'nickname';

  @ApiPropertyOptional({ format: 'uuid', description: 'Of a recording' })
  id?: string;

  @ApiProperty({ enum: ['checking', 'ok', 'review', 'blocked', 'unchecked'] })
  status: ContentStatus;

  @ApiPropertyOptional({ description: 'When WeChat or a person decided' })
  checkedAt?: Date;

  static readonly example = {
    kind: 'recording',
    id: '5b0f6b1c-7f0e-4c55-9a57-3f2c7f6a1d20',
    status: 'ok',
    checkedAt: '2026-11-20T08:00:02.000Z',
  };

  static of({ kind, recordingId, status, checkedAt }: Content): ContentView {
    return {
      kind,
      ...(recordingId !== null && { id: recordingId }),
      status,
      ...(checkedAt && { checkedAt }),
    };
  }

  /** A name that is not refused is `ok` at once. */
  static ofName({ nickName, nickNameCheckedAt }: User): ContentView[] {
    if (nickName === null) return [];
    return [
      {
        kind: 'nickname',
        status: 'ok',
        ...(nickNameCheckedAt && { checkedAt: nickNameCheckedAt }),
      },
    ];
  }
}
