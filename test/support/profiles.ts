import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { hash } from 'node:crypto';

/** What a mini program sends to `PUT /me/profile`. */
export interface SentProfile {
  rawData: string;
  signature: string;
  encryptedData: string;
  iv: string;
}

/** Any text, signed as WeChat signs `rawData` for a user. */
export function signedText(
  user: SandboxUser,
  rawData: string,
): Pick<SentProfile, 'rawData' | 'signature'> {
  return { rawData, signature: hash('sha1', rawData + user.sessionKey()) };
}

/** A profile with any content, signed and encrypted as WeChat does for a user. */
export function signedProfile(user: SandboxUser, profile: object): SentProfile {
  return {
    ...signedText(user, JSON.stringify(profile)),
    ...user.encrypt({ openId: user.openid(), ...profile }),
  };
}

/**
 * Replaces the start of the encrypted text, as a client can do that knows this text: in CBC the iv is combined with the first block.
 * @param from the first bytes, at most 16
 * @param to as many bytes
 */
export function withStart(sent: SentProfile, from: string, to: string): SentProfile {
  const [known, wanted] = [Buffer.from(from), Buffer.from(to)];
  const iv = Buffer.from(sent.iv, 'base64').map(
    (byte, at) => byte ^ (known[at] ?? 0) ^ (wanted[at] ?? 0),
  );
  return { ...sent, iv: Buffer.from(iv).toString('base64') };
}
