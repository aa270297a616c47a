import fc from 'fast-check';
import { createCipheriv, createHmac } from 'node:crypto';
import {
  decryptOpenData,
  signWithSessionKey,
  verifyRawData,
  WechatDecryptError,
  WechatSignatureError,
} from '../index.js';

// Sample keys and data of WeChat's documentation, and data that is derived from them.
const APP_ID = 'wx4f4bc4dec97d474b';
const KEY = 'tiihtNczf5v6AKRyjwEUhQ==';
const IV = 'r7BXXKkLb8qrSNn05n0qiA==';
const OFFICIAL =
  'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew==';
const PHONE =
  'xT8p8W6jIVdEWQ+ccHuD2bmG5RSiwg14VWRFw/UGVh6Aj+jDIadafJ4xdCIBQ/uxDiyw/MZWvpFyRn3pP3xxVfNQxFtzghvK+Pj5JQI7x412Zc+UKBdZyt5yiQboroSxabTum1k4MMOlnoCxhJ46cxPDT2EuLbNUf2McwNtGO0/9E+Xj/ZwENw48ucueL3UqNoKpXxFYvqH6eawrR2MXnA==';
const STEPS =
  'XoLUxF76jN/OsfTGUqF/ZqRn+2PtO66lAMg/g0D3bg1L2/Nds8gTQrH7fGmbTgGtUC2R9lbJh7fLEaO9boeCqru1Em2BD/IbfN6lI/nu55iYlOdvBG/PicU8pMeVU32B3O68Ot2mP0ivKxccJMLOPL06Lt1z+Cd2wKlJ6WhdDjszfUo7lbbI4lxqW0w5dd2MEJdcEjHsflH8uLO8hrRUkw==';
const SHARE =
  'GNco634PX7s7CV7baMr6fiUC9THu9a7AA0/kbCMrGXPZu7bcyjrqKWcuhl9xv0pzslR4TxlmCqm7BMooU0hORh5oY9lZNB7yHKTv01QIGj6kPoyQnU5CXeThg+iOFmmXJfQZQLVluyWLBZBDc69Iew==';
const ANONYMOUS =
  'mKcLbl8Sy+SPKgE6NdNbA5pwymrXu2xxYUp7xYFm1fWCwKbYak90inh8CyeDmyfpQeHFQKYPhha6+XeCdMBcO4aLqM4AAyJZztgDYelm74ZJGY3ZzTjgan0nKUEz7idClvlb5P+b6/qp2w+LR+MH4xOW4RlD/JglJ+KGnQKi0hFanaWL4Vpz2dEuTXtJrF5mNb2zQDBccu3v/ISmvuKpeKNucO4KWsOlInDHhUEfaTBUjF19OnUDi9xNtoF2qXzL5EbqgyL9fwiUq1rYO2AVu/P+vbxHjgOfDGqUOw2/rZFPX6p9A0cYCFxxTf1xrdt4';
const MADE_AT = 1_477_314_187_000;
const watermark = { timestamp: MADE_AT / 1000, appid: APP_ID };

const decrypt = (more: object = {}) =>
  decryptOpenData({ sessionKey: KEY, appId: APP_ID, iv: IV, encryptedData: OFFICIAL, ...more });

/** Encrypts a text as WeChat does. */
function encrypt(plaintext: string | Buffer, iv = IV): string {
  const aes = createCipheriv('aes-128-cbc', Buffer.from(KEY, 'base64'), Buffer.from(iv, 'base64'));
  return Buffer.concat([aes.update(plaintext), aes.final()]).toString('base64');
}

function flipBit(base64: string, bit: number): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return bytes.toString('base64');
}

describe('decryptOpenData', () => {
  it("decrypts WeChat's own example (V-D1)", () => {
    expect(decrypt({ openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE' })).toEqual({
      openId: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
      nickName: 'Band',
      gender: 1,
      language: 'zh_CN',
      city: 'Guangzhou',
      province: 'Guangdong',
      country: 'CN',
      avatarUrl:
        'http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0',
      unionId: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
      watermark,
    });
  });

  it.each([
    [
      'phone (V-D2)',
      PHONE,
      { phoneNumber: '13580006666', purePhoneNumber: '13580006666', countryCode: '86' },
    ],
    ['steps (V-D3)', STEPS, { stepInfoList: [{ timestamp: 1445866601, step: 100 }, { timestamp: 1445876601, step: 120 }] }], // prettier-ignore
    ['group (V-D4)', SHARE, { openGId: 'tGDhe5HFEjKDpOPhcgKs5YmyZ3wU' }],
    ['anonymous profile (V-D5)', ANONYMOUS, { nickName: '微信用户', gender: 0, language: 'zh_CN' }],
  ])('decrypts a %s', (_, encryptedData, expected) => {
    expect(decrypt({ encryptedData })).toMatchObject({ ...expected, watermark });
  });

  it('reads a blank as the plus that a form has decoded', () => {
    const encryptedData = PHONE.replaceAll('+', ' ');
    expect(encryptedData).toContain(' ');
    expect(decrypt({ encryptedData })).toEqual(decrypt({ encryptedData: PHONE }));
  });

  it('accepts data up to maxAge, and a watermark up to one minute in the future', () => {
    expect(decrypt({ maxAge: 600_000, now: MADE_AT + 600_000 })).toBeDefined();
    expect(decrypt({ maxAge: 600_000, now: MADE_AT - 60_000 })).toBeDefined();
    expect(() => decrypt({ maxAge: 600_000, now: MADE_AT + 600_001 })).toThrow(WechatDecryptError);
    expect(() => decrypt({ maxAge: 600_000, now: MADE_AT - 60_001 })).toThrow(WechatDecryptError);
  });

  const json = (value: unknown) => encrypt(JSON.stringify(value));
  const phone = { phoneNumber: '1', purePhoneNumber: '1', countryCode: '86' };
  const deep = '['.repeat(10_000) + ']'.repeat(10_000);
  it.each<[string, object]>([
    ['another key', { sessionKey: 'HyVFkGl5F5OQWJZZaNzBBg==' }],
    ['a zero iv', { iv: 'AAAAAAAAAAAAAAAAAAAAAA==' }],
    ['an iv of 15 bytes', { iv: Buffer.alloc(15).toString('base64') }],
    ['an iv with a space for a plus', { iv: IV.replace('B', ' ') }],
    ['base64url', { encryptedData: OFFICIAL.replaceAll('+', '-').replaceAll('/', '_') }],
    ['a line break', { encryptedData: `${OFFICIAL}\n` }],
    ['no padding', { encryptedData: OFFICIAL.replace(/=+$/, '') }],
    ['another encoding of the last character', { encryptedData: OFFICIAL.replace('w==', 'x==') }],
    ['an empty text', { encryptedData: '' }],
    [
      'a truncated block',
      { encryptedData: Buffer.from(PHONE, 'base64').subarray(0, -1).toString('base64') },
    ],
    [
      'a missing last block',
      { encryptedData: Buffer.from(PHONE, 'base64').subarray(0, -16).toString('base64') },
    ],
    ['more than 64 KiB', { encryptedData: Buffer.alloc(65_552).toString('base64') }],
    ['an array', { encryptedData: [OFFICIAL] }],
    ['another app', { appId: 'wx0000000000000000' }],
    ['another user', { openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJF' }],
    ['no watermark', { encryptedData: json(phone) }],
    ['a watermark as text', { encryptedData: json({ ...phone, watermark: APP_ID }) }],
    ['a watermark as array', { encryptedData: json({ ...phone, watermark: [watermark] }) }],
    [
      'a timestamp as text',
      { encryptedData: json({ ...phone, watermark: { ...watermark, timestamp: '1477314187' } }) },
    ],
    ['an unknown shape', { encryptedData: json({ anything: 'else', watermark }) }],
    ['an incomplete phone number', { encryptedData: json({ phoneNumber: '1', watermark }) }],
    [
      'a union id without an open id',
      { encryptedData: json({ nickName: 'a', avatarUrl: 'b', unionId: 'c', watermark }) },
    ],
    ['an array with valid data', { encryptedData: json([{ ...phone, watermark }]) }],
    ['null', { encryptedData: json(null) }],
    ['a number', { encryptedData: json(1) }],
    [
      '10,000 nested arrays',
      {
        encryptedData: encrypt(
          `{"phoneNumber":"1","purePhoneNumber":"1","countryCode":"86","x":${deep},"watermark":${JSON.stringify(watermark)}}`,
        ),
      },
    ],
    [
      '__proto__',
      {
        encryptedData: encrypt(
          `{"__proto__":{"isAdmin":true},${JSON.stringify({ ...phone, watermark }).slice(1)}`,
        ),
      },
    ],
    [
      'a nested, escaped constructor',
      {
        encryptedData: encrypt(
          `{"x":[{"\\u0063onstructor":1}],${JSON.stringify({ ...phone, watermark }).slice(1)}`,
        ),
      },
    ],
    [
      'broken UTF-8',
      {
        encryptedData: encrypt(
          Buffer.concat([
            Buffer.from(JSON.stringify({ ...phone, watermark }).slice(0, -1)),
            Buffer.from(',"x":"\xff"}', 'latin1'),
          ]),
        ),
      },
    ],
    [
      'a byte order mark',
      { encryptedData: encrypt(`\ufeff${JSON.stringify({ ...phone, watermark })}`) },
    ],
    ['trailing bytes', { encryptedData: encrypt(`${JSON.stringify({ ...phone, watermark })}x`) }],
  ])('B-encryptedData refuses %s, always with the same error', (_, change) => {
    const refused = (() => {
      try {
        return decrypt(change);
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toEqual(new WechatDecryptError());
    expect((refused as Error).cause).toBeUndefined();
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it('refuses data with a flipped bit, or returns data of the same user and app', () => {
    const bits = Buffer.from(OFFICIAL, 'base64').length * 8;
    let accepted = 0;
    for (let bit = 0; bit < bits; bit++) {
      try {
        const data = decrypt({
          encryptedData: flipBit(OFFICIAL, bit),
          openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
          maxAge: 1,
          now: MADE_AT,
        });
        expect(data).toMatchObject({ watermark });
        accepted++;
      } catch (error) {
        expect(error).toBeInstanceOf(WechatDecryptError);
      }
    }
    // CBC is malleable: some flips in free text are not detected, so the identity of a user is never read from open data
    expect(accepted).toBeLessThan(bits / 10);
  });

  it('throws WechatDecryptError for random arguments', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (encryptedData, iv, sessionKey) => {
        expect(() =>
          decryptOpenData({ encryptedData, iv, sessionKey, appId: APP_ID } as never),
        ).toThrow(WechatDecryptError);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('verifyRawData', () => {
  const S1 = {
    sessionKey: 'HyVFkGl5F5OQWJZZaNzBBg==',
    rawData:
      '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}',
    signature: '75e81ceda165f4ffa64f4068af58c64b8f54b88c',
  };
  const S2 = {
    sessionKey: KEY,
    rawData: '{"nickName":"微信用户","gender":0,"language":"zh_CN","city":"","province":"","country":"","avatarUrl":"https://thirdwx.qlogo.cn/mmopen/vi_32/example/132"}', // prettier-ignore
    signature: '9aab44715df2917ecae43056fc42d970fcd3cf12',
  };

  it.each([
    ['V-S1', S1],
    ['V-S2, not ASCII', S2],
  ])('accepts %s', (_, signed) => expect(() => verifyRawData(signed)).not.toThrow());

  it.each<[string, object]>([
    ['upper case', { signature: S1.signature.toUpperCase() }],
    ['39 characters', { signature: S1.signature.slice(1) }],
    ['41 characters', { signature: `${S1.signature}0` }],
    ['not hex', { signature: 'z'.repeat(40) }],
    ['an array', { signature: [S1.signature] }],
    ['another key', { sessionKey: KEY }],
    [
      'another order of keys',
      {
        rawData: S1.rawData.replace('"nickName":"Band","gender":1', '"gender":1,"nickName":"Band"'),
      },
    ],
    ['an added space', { rawData: S1.rawData.replace(',', ', ') }],
    ['escapes for letters', { ...S2, rawData: S2.rawData.replace('微', '\\u5fae') }],
    ['a NUL', { rawData: `${S1.rawData}\0` }],
    ['a lone surrogate', { rawData: `\ud800${S1.rawData}` }],
    ['1 MB', { rawData: S1.rawData.padEnd(1_000_000) }],
    ['no rawData', { rawData: undefined }],
  ])('B-rawData refuses %s', (_, change) =>
    expect(() => verifyRawData({ ...S1, ...change } as never)).toThrow(WechatSignatureError),
  );
});

describe('signWithSessionKey', () => {
  it("uses the base64 text as the key, as WeChat's examples do (V-H1, V-H2)", () => {
    const body = '{"openid": "xxx", "user_ip": "127.0.0.1", "env": 0}';
    expect(signWithSessionKey('9hAb/NEYUlkaMBEsmFgzig==', body)).toBe(
      '089d9e8dc5d308977360c4b79ec600a93d736802802a807d634192328032f6c7',
    );
    const sorted = '1559129713_67297598215591297148AP6DT9ybtniUJfbwx20afc706a711eefc';
    expect(signWithSessionKey('gDyVgzwa0mFz9uUP7M6GQQ==', sorted)).toBe(
      'b002b824688dd8593a6079e11d8c5e8734fbcb39a6d5906eb347bfbcad79c617',
    );
    const decoded = createHmac('sha256', Buffer.from('gDyVgzwa0mFz9uUP7M6GQQ==', 'base64'))
      .update(sorted)
      .digest('hex');
    expect(decoded).toBe('dfa405f7e3092ac6b5a3f8a22e20eef82ca01d078219c5ae31a51014124d819a'); // the result with the decoded key
  });

  it.each([
    [
      'tiihtNczf5v6AKRyjwEUhQ==',
      '7154f9f8b4b76b92f541cbf0e37d48840fa06e5e42da92a6f80168a1516a4735',
    ],
    [
      '9hAb/NEYUlkaMBEsmFgzig==',
      '1f7605aea24c0785899e51bc4c483167a20ea7b0f5f36cfd398e89cb21c91e9c',
    ],
    [
      'HyVFkGl5F5OQWJZZaNzBBg==',
      '252b75c92698025afe925b29cca5517fdf9ee67aae072cf3225ebf3a53783058',
    ],
    [
      'gDyVgzwa0mFz9uUP7M6GQQ==',
      'e35c090752203a4b504e53a52035160972950b8f52324508875b8770cd587845',
    ],
  ])('signs the empty message for checksession (V-H3, %s)', (sessionKey, signature) => {
    expect(signWithSessionKey(sessionKey)).toBe(signature);
  });
});
