import { randomBytes, randomInt } from 'node:crypto';

// The ids have the format of real samples.

const digits = (count: number): string =>
  Array.from({ length: count }, () => randomInt(10)).join('');

const beijingDigits = (at: number, length: number): string =>
  new Date(at + 8 * 3600_000).toISOString().replace(/\D/g, '').slice(0, length);

/** `wx`, Beijing's time, 20 hex digits. */
export const newPrepayId = (at: number): string =>
  `wx${beijingDigits(at, 14)}${randomBytes(10).toString('hex')}`;

/** The content of the QR code of a Native order. */
export const newCodeUrl = (): string =>
  `weixin://wxpay/bizpayurl?pr=${randomBytes(6).toString('base64url')}`;

/** 28 digits, the date among them. */
export const newTransactionId = (at: number): string =>
  `4200${digits(6)}${beijingDigits(at, 8)}${digits(10)}`;

/** 29 digits, the date among them. */
export const newRefundId = (at: number): string =>
  `503${digits(8)}${beijingDigits(at, 8)}${digits(10)}`;
