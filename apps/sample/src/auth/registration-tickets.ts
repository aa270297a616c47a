import { Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { WechatStore } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { NotFoundError } from '../common/app-error.js';
import { SignedTokens } from '../tokens/signed-tokens.js';
import type { Phone } from '../users/phone.js';

const SECONDS = 600;
const UNUSED = Buffer.from('1');

/**
 * Proof, for ten minutes and one use, that WeChat has told this user's number. The number travels in the ticket, signed; the
 * store keeps only that the ticket is unused, and no personal data.
 */
@Injectable()
export class RegistrationTickets {
  constructor(
    private readonly tokens: SignedTokens,
    private readonly store: WechatStore,
  ) {}

  async issue(session: WechatSession, { phoneNumber, phoneE164 }: Phone): Promise<string> {
    const jti = randomUUID();
    await this.store.add(keyOf(jti), UNUSED, SECONDS * 1000);
    return this.tokens.sign(
      'registration',
      { jti, sub: holderOf(session), phoneNumber, phoneE164 },
      SECONDS,
    );
  }

  /** Whose it is comes first, so that nobody can use up a ticket that is not theirs. */
  async redeem(session: WechatSession, ticket: string): Promise<Phone> {
    const { jti, sub, phoneNumber, phoneE164 } =
      (await this.tokens.open('registration', ticket)) ?? {};
    if (sub !== holderOf(session) || !(await this.store.take(keyOf(jti))))
      throw new NotFoundError(
        'registrationTicket is not known here, used, or older than ten minutes; ask the user for the phone again',
      );
    return { phoneNumber: String(phoneNumber), phoneE164: String(phoneE164) };
  }
}

const keyOf = (jti: unknown): string => `app:registration:${String(jti)}`;

const holderOf = ({ appId, openid }: WechatSession): string => `${appId} ${openid}`;
