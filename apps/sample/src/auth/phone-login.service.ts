import { Injectable } from '@nestjs/common';
import type { WechatSession } from 'nestjs-wechat';
import { AppError } from '../common/app-error.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import type { PhoneDto } from '../phone/phone.dto.js';
import { VerifiedPhones } from '../phone/verified-phones.js';
import { AppTokens } from '../tokens/app-tokens.js';
import type { User } from '../users/user.entity.js';
import { UserView } from '../users/user.view.js';
import { UsersService } from '../users/users.service.js';
import type { RegisterDto, TokenAnswer } from './phone-login.dto.js';
import { RegistrationTickets } from './registration-tickets.js';

/** Login and registration by the number that WeChat has verified. Who becomes whom: docs/one-person.md. */
@Injectable()
export class PhoneLoginService {
  constructor(
    private readonly phones: VerifiedPhones,
    private readonly users: UsersService,
    private readonly avatars: AvatarsService,
    private readonly tickets: RegistrationTickets,
    private readonly tokens: AppTokens,
  ) {}

  async login(session: WechatSession, user: User, dto: PhoneDto): Promise<TokenAnswer> {
    const phone = await this.phones.of(session, dto);
    const owner = await this.users.ownerOf(phone, user);
    if (!owner)
      throw new NotRegisteredError(phone.phoneNumber, await this.tickets.issue(session, phone));
    return this.answer(owner, session);
  }

  async register(
    session: WechatSession,
    user: User,
    { registrationTicket, ...profile }: RegisterDto,
  ): Promise<TokenAnswer> {
    const phone = await this.tickets.redeem(session, registrationTicket);
    return this.answer(await this.avatars.saveUser(user, { ...phone, ...profile }), session);
  }

  private async answer(user: User, session: WechatSession): Promise<TokenAnswer> {
    return { ...(await this.tokens.issue(user, session)), user: UserView.of(user) };
  }
}

/** Nobody has this number; the ticket registers it. */
class NotRegisteredError extends AppError {
  constructor(phoneNumber: string, registrationTicket: string) {
    super(404, 'ERR_NOT_REGISTERED', 'not registered', {
      data: { phoneNumber, registrationTicket },
    });
  }
}
