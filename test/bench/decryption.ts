import { createDecipheriv, randomBytes } from 'node:crypto';
import Decryptor from 'node-easywechat/dist/MiniApp/Decryptor.js';
import { decryptOpenData } from 'nestjs-wechat';
import { encryptOpenData } from 'nestjs-wechat-sandbox';
import { rotated } from './bench.js';
import { APP, newOpenid } from './library.js';

const DAY = 86_400_000;
/** Imported by its file, because the index of 3.6.2 imports a module that its newest dependency no longer contains. */
const easywechat = Decryptor as never as {
  decrypt(sessionKey: string, iv: string, ciphertext: string): unknown;
};
const WAYS = ['ours', 'raw', 'easywechat'] as const;

/** Duration of one decryption in microseconds. */
export type DecryptionTimes = Record<(typeof WAYS)[number], number>;

/** Decrypts a user's profile in three ways: by the library with all checks, by node-easywechat, and by decipher and JSON.parse only. */
export function timesOfDecryption({
  rounds,
  times,
}: {
  rounds: number;
  times: number;
}): DecryptionTimes[] {
  const open = waysToOpen();
  for (const way of WAYS) microsecondsOf(open[way], times); // warm-up
  return Array.from({ length: rounds }, (_, round) => {
    const measured = rotated([...WAYS], round).map(
      (way) => [way, microsecondsOf(open[way], times)] as const,
    );
    return Object.fromEntries(measured) as DecryptionTimes;
  });
}

function waysToOpen(): Record<keyof DecryptionTimes, () => unknown> {
  const sessionKey = randomBytes(16).toString('base64');
  const watermark = { timestamp: Math.floor(Date.now() / 1_000), appid: APP.appId };
  const profile = {
    openId: newOpenid(),
    nickName: '微信用户',
    gender: 0,
    language: 'zh_CN',
    city: '',
    province: '',
    country: '',
  };
  const avatarUrl = `https://thirdwx.qlogo.cn/mmopen/vi_32/${'A'.repeat(86)}/132`;
  const plaintext = JSON.stringify({ ...profile, avatarUrl, unionId: newOpenid(), watermark });
  const sealed = encryptOpenData(sessionKey, randomBytes(16).toString('base64'), plaintext);
  const ways = {
    ours: () =>
      decryptOpenData({
        sessionKey,
        appId: APP.appId,
        openid: profile.openId,
        maxAge: DAY,
        ...sealed,
      }),
    raw: () => rawDecrypt(sessionKey, sealed),
    easywechat: () => easywechat.decrypt(sessionKey, sealed.iv, sealed.encryptedData),
  };
  for (const way of WAYS)
    if (JSON.stringify(ways[way]()) !== plaintext) throw new Error(`${way} decrypts wrongly`);
  return ways;
}

function rawDecrypt(
  sessionKey: string,
  { encryptedData, iv }: { encryptedData: string; iv: string },
): unknown {
  const aes = createDecipheriv(
    'aes-128-cbc',
    Buffer.from(sessionKey, 'base64'),
    Buffer.from(iv, 'base64'),
  );
  return JSON.parse(aes.update(encryptedData, 'base64', 'utf8') + aes.final('utf8'));
}

function microsecondsOf(run: () => unknown, times: number): number {
  const started = performance.now();
  for (let i = 0; i < times; i++) run();
  return ((performance.now() - started) * 1_000) / times;
}
