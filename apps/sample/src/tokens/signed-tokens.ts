import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { JwtModuleOptions } from '@nestjs/jwt';
import { WechatClock } from 'nestjs-wechat';
import { AppConfig } from '../config.js';

/** The purpose of a token. It is in the header and in the audience, so one kind is never accepted as another. */
export type TokenKind = 'account' | 'registration';

interface OpenedJwt {
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
}

const ISSUER = 'nestjs-wechat-sample';

/** The only algorithm, for signing and for verifying. The header of a token never chooses it. */
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

  /** Returns the claims, or `undefined` if the token was not signed by this app for this purpose, or has expired. */
  async open(kind: TokenKind, token: string): Promise<Record<string, unknown> | undefined> {
    const { header, audience } = naming(kind);
    const options = { audience, complete: true, clockTimestamp: this.now() };
    const opened = await this.jwt.verifyAsync<OpenedJwt>(token, options).catch(() => undefined); // it does no I/O, so every error means that the token is invalid
    return opened && isOurs(opened, header) ? opened.payload : undefined;
  }

  private now(): number {
    return Math.floor(this.clock.now() / 1000);
  }
}

function naming(kind: TokenKind): { audience: string; header: { alg: 'HS256'; typ: string } } {
  return { audience: `${ISSUER}/${kind}`, header: { alg: 'HS256', typ: `${kind}+jwt` } };
}

/** Requires exactly two header fields (no `kid`, `jku`, `crit` …) and an `exp`, because jsonwebtoken accepts tokens without one. */
function isOurs({ header, payload }: OpenedJwt, { typ }: { typ: string }): boolean {
  return (
    header['typ'] === typ && Object.keys(header).length === 2 && typeof payload['exp'] === 'number'
  );
}
