import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { JwtModuleOptions } from '@nestjs/jwt';
import { WechatClock } from 'nestjs-wechat';
import { AppConfig } from '../config.js';

/** What a token is for. It stands in the header and in the audience, so one kind is never taken for another. */
export type TokenKind = 'account' | 'registration';

interface OpenedJwt {
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
}

const ISSUER = 'nestjs-wechat-sample';

/** One algorithm, for signing and for checking: whatever a token says of itself, it is checked with this one. */
export const jwtOptions = ({ jwt }: AppConfig): JwtModuleOptions => ({
  secret: jwt.secret,
  signOptions: { algorithm: 'HS256', issuer: ISSUER },
  verifyOptions: { algorithms: ['HS256'], issuer: ISSUER },
});

/** JWTs of this app. Their clock is that of the sessions, which all instances share. */
@Injectable()
export class SignedTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly clock: WechatClock,
  ) {}

  /** @param expiresIn seconds */
  sign(kind: TokenKind, claims: Record<string, string>, expiresIn: number): Promise<string> {
    return this.jwt.signAsync({ ...claims, iat: this.now() }, { ...naming(kind), expiresIn });
  }

  /** The claims, or `undefined` for whatever was not signed here for this purpose, or is over. */
  async open(kind: TokenKind, token: string): Promise<Record<string, unknown> | undefined> {
    const { header, audience } = naming(kind);
    const options = { audience, complete: true, clockTimestamp: this.now() };
    const opened = await this.jwt.verifyAsync<OpenedJwt>(token, options).catch(() => undefined); // no I/O in it: the token is at fault
    return opened && isOurs(opened, header) ? opened.payload : undefined;
  }

  private now(): number {
    return Math.floor(this.clock.now() / 1000);
  }
}

function naming(kind: TokenKind): { audience: string; header: { alg: 'HS256'; typ: string } } {
  return { audience: `${ISSUER}/${kind}`, header: { alg: 'HS256', typ: `${kind}+jwt` } };
}

/** With our two header fields and no other (`kid`, `jku`, `crit` …), and with an end: jsonwebtoken checks `exp` only where there is one. */
function isOurs({ header, payload }: OpenedJwt, { typ }: { typ: string }): boolean {
  return (
    header['typ'] === typ && Object.keys(header).length === 2 && typeof payload['exp'] === 'number'
  );
}
