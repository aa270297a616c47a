import { Matches } from 'class-validator';

/** Any letters, emoji included. No control characters and no lone surrogates, which PostgreSQL refuses. */
const NICK_NAME = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,64}$/u;

/** A name that a user chose. WeChat checks the nickname input, but a request may come from any client. */
export const IsNickName = (): PropertyDecorator =>
  Matches(NICK_NAME, {
    message: 'nickName must be 1 to 64 characters, without control characters',
  });
