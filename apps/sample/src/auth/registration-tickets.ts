import { Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { WechatStore } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { NotFoundError } from '../common/app-error.js';
import { SignedTokens } from '../tokens/signed-tokens.js';
import type { VerifiedPhone } from '../users/verified-phone.js';

const SECONDS = 600;
const UNUSED = Buffer.from('1');

/**
 * A ticket proves, for ten minutes and one use, that WeChat has returned a phone number for a WeChat user. The number is in
 * the signed ticket. The store only remembers that the ticket is unused, and holds no personal data.
 */
@Injectable()
export class RegistrationTickets {
  constructor(
    private readonly tokens: SignedTokens,
    private readonly store: WechatStore,
  ) {}

  async issue(session: WechatSession, { phoneNumber, phoneE164 }: VerifiedPhone): Promise<string> {
    const jti = randomUUID();
    await this.store.add(keyOf(jti), UNUSED, SECONDS * 1000);
    return this.tokens.sign(
      'registration',
      { jti, sub: holderOf(session), phoneNumber, phoneE164 },
      SECONDS,
    );
  }

  /** Checks the holder before it takes the ticket, so that no other user can use the ticket up. */
  async redeem(session: WechatSession, ticket: string): Promise<VerifiedPhone> {
    const { jti, sub, iat, phoneNumber, phoneE164 } =
      (await this.tokens.open('registration', ticket)) ?? {};
    if (sub !== holderOf(session) || !(await this.store.take(keyOf(jti))))
      throw new NotFoundError(
        'registrationTicket is unknown, used or older than ten minutes; ask the user for the phone number again',
      );
    return {
      phoneNumber: String(phoneNumber),
      phoneE164: String(phoneE164),
      phoneVerifiedAt: new Date(Number(iat) * 1000),
    };
  }
}

const keyOf = (jti: unknown): string => `app:registration:${String(jti)}`;

const holderOf = ({ appId, openid }: WechatSession): string => `${appId} ${openid}`;
