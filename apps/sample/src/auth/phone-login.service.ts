import { Injectable } from '@nestjs/common';
import type { WechatSession } from 'nestjs-wechat';
import { NotRegisteredError } from '../common/app-error.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import { NickNames } from '../content/nick-names.js';
import type { PhoneDto } from '../phone/phone.dto.js';
import { PhoneVerifier } from '../phone/phone-verifier.js';
import { AppTokens } from '../tokens/app-tokens.js';
import { PhoneNumbersService } from '../users/phone-numbers.service.js';
import type { User } from '../users/user.entity.js';
import { UserView } from '../users/user.view.js';
import type { PhoneLoginResponse, RegisterDto, TokenResponse } from './phone-login.dto.js';
import { RegistrationTickets } from './registration-tickets.js';

/** Login and registration by a phone number that WeChat has verified. The rules: docs/account-linking.md. */
@Injectable()
export class PhoneLoginService {
  constructor(
    private readonly phones: PhoneVerifier,
    private readonly numbers: PhoneNumbersService,
    private readonly avatars: AvatarsService,
    private readonly tickets: RegistrationTickets,
    private readonly tokens: AppTokens,
    private readonly nickNames: NickNames,
  ) {}

  async login(session: WechatSession, user: User, dto: PhoneDto): Promise<PhoneLoginResponse> {
    const phone = await this.phones.verify(session, dto);
    const owner = await this.numbers.findOwner(session, user, phone);
    if (owner?.linked)
      return Object.assign(await this.tokenFor(owner.account, session), { linked: true });
    const registrationTicket = await this.tickets.issue(session, phone);
    if (!owner) throw new NotRegisteredError(phone.phoneNumber, registrationTicket);
    return {
      ...(await this.tokens.issue(owner.account, session, 'phone')),
      user: UserView.withoutWechatIds(owner.account),
      linked: false,
      registrationTicket,
    };
  }

  async register(
    session: WechatSession,
    user: User,
    { registrationTicket, takeOverNumber: takeOver, ...profile }: RegisterDto,
  ): Promise<TokenResponse> {
    const changes = await this.nickNames.check(session, profile); // first, so that a refused name does not use the ticket
    const phone = await this.tickets.redeem(session, registrationTicket);
    const account = await this.numbers.setNumber(session, user, phone, { takeOver });
    return this.tokenFor(await this.avatars.saveUser(account, changes), session);
  }

  private async tokenFor(user: User, session: WechatSession): Promise<TokenResponse> {
    return { ...(await this.tokens.issue(user, session)), user: UserView.of(user) };
  }
}
