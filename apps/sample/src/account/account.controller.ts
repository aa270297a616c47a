import { Controller, Delete, Get, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import { AppJwtGuard } from '../tokens/app-jwt.strategy.js';
import type { Account } from '../tokens/app-tokens.js';
import { CurrentAccount } from '../tokens/current-account.decorator.js';
import { AllowScopes } from '../tokens/token-scope.js';
import { UserView } from '../users/user.view.js';
import { AccountView } from './account.dto.js';
import { AccountService } from './account.service.js';

@ApiTags('account')
@ApiBearerAuth('app-jwt')
@Controller('account')
@UseGuards(AppJwtGuard)
export class AccountController {
  constructor(private readonly accounts: AccountService) {}

  @Get()
  @ApiOperation({
    summary: 'My account',
    description:
      'Takes the token of POST /auth/phone-login or /auth/register. A token of scope `phone` gets neither unionid nor identities.',
  })
  @AllowScopes(['phone'])
  @ApiEnvelope(AccountView)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_STORE_UNAVAILABLE')
  account(@CurrentAccount() { user, scope }: Account): UserView {
    return scope === 'account' ? AccountView.of(user) : UserView.withoutWechatIds(user);
  }

  @Delete()
  @ApiOperation({
    summary: 'Delete my account (注销)',
    description:
      'Deletes the profile, phone number, picture and recordings, and revokes all sessions in all apps. Remaining data: docs/account-linking.md.',
  })
  @ApiEnvelope(null)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_SCOPE', 'ERR_STORE_UNAVAILABLE')
  close(@CurrentAccount() account: Account): Promise<void> {
    return this.accounts.close(account);
  }
}
