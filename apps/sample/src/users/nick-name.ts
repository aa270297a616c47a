import { Matches } from 'class-validator';

/** At least one character that is seen: no blank, no character of zero width, no empty braille pattern. */
const VISIBLE = String.raw`(?=.*[^\p{Z}\p{DI}\u2800])`;
/**
 * Any letters, emoji included. No control characters, no lone surrogates, which PostgreSQL refuses, and no overrides of the
 * writing direction, which would also turn the text that follows the name.
 */
const LETTERS = String.raw`[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]{1,64}`;
const NICK_NAME = new RegExp(`^${VISIBLE}${LETTERS}$`, 'u');

/** A name that a user chose. WeChat checks the nickname input, but a request may come from any client. */
export const IsNickName = (): PropertyDecorator =>
  Matches(NICK_NAME, {
    message: 'nickName must be 1 to 64 characters, one of them visible, without control characters',
  });
