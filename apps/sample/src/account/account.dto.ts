import { ApiProperty } from '@nestjs/swagger';
import type { User } from '../users/user.entity.js';
import { UserView } from '../users/user.view.js';

export class IdentityView {
  @ApiProperty()
  appId: string;

  @ApiProperty()
  openid: string;

  @ApiProperty({ description: 'When this openid was added to an account' })
  createdAt: Date;

  static readonly example = {
    appId: 'wx5a4db0c1e2f37608',
    openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
    createdAt: '2026-11-20T08:00:00.000Z',
  };
}

export class AccountView extends UserView {
  @ApiProperty({
    type: [IdentityView],
    description: 'Absent for a token of scope `phone`',
    required: false,
  })
  identities: IdentityView[];

  static override readonly example = { ...UserView.example, identities: [IdentityView.example] };

  static override of(user: User): AccountView {
    const identities = user.identities.map(({ appId, openid, createdAt }) => ({
      appId,
      openid,
      createdAt,
    }));
    return Object.assign(UserView.of(user), { identities });
  }
}
