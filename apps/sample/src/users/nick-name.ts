import { Matches } from 'class-validator';

/** As people write them, emoji included; no control characters and no halves of characters, which no database keeps. */
const NICK_NAME = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,64}$/u;

/** A name that a user chose. The nickname input has it checked by WeChat; what reaches a server may come from anywhere. */
export const IsNickName = (): PropertyDecorator =>
  Matches(NICK_NAME, {
    message: 'nickName must be 1 to 64 characters, without control characters',
  });
