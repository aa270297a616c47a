import { createHash } from 'node:crypto';
import { encryptOpenData, signRawData, signWithSessionKey } from './open-data.js';

// Published sample keys; the numbers are those of wechat-vectors.md.
const KEY = 'tiihtNczf5v6AKRyjwEUhQ==';
const IV = 'r7BXXKkLb8qrSNn05n0qiA==';
const WATERMARK = '"watermark":{"timestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}}';

it('encrypts the official sample to the official ciphertext (V-D1)', () => {
  const plaintext =
    '{"openId":"oGZUI0egBJY1zhBYw2KhdUfwVJJE","nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong",' +
    '"country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0",' +
    `"unionId":"ocMvos6NjeKLIBqg5Mr9QjxrP1FA",${WATERMARK}`;
  expect(encryptOpenData(KEY, IV, plaintext)).toEqual({
    iv: IV,
    encryptedData:
      'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142d' +
      'NCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn' +
      '/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns' +
      '/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuy' +
      'Db/XcxxmK01EpqOyuxINew==',
  });
});

it.each([
  [
    'V-D2',
    '{"phoneNumber":"13580006666","purePhoneNumber":"13580006666","countryCode":"86",',
    '9d7ba6283b0901b707f441733115f2d7b3ad009f47e61807a5681e86cb2625dd',
  ],
  [
    'V-D3',
    '{"stepInfoList":[{"timestamp":1445866601,"step":100},{"timestamp":1445876601,"step":120}],',
    '3d32626d3c1c0970d2009e6e822b6e07b801293ca99b488eaaab62069b86e690',
  ],
  [
    'V-D4',
    '{"openGId":"tGDhe5HFEjKDpOPhcgKs5YmyZ3wU",',
    'd120389d27f8e306ff92b265a4890e79d3f151a729db0fbd2ea0a745dc895ac0',
  ],
])('encrypts %s to the ciphertext with the known digest', (_name, start, digest) => {
  const { encryptedData } = encryptOpenData(KEY, IV, start + WATERMARK);
  expect(createHash('sha256').update(encryptedData).digest('hex')).toBe(digest);
});

it('signs the official rawData with the official signature (V-S1)', () => {
  const rawData =
    '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN",' +
    '"avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}';
  expect(signRawData('HyVFkGl5F5OQWJZZaNzBBg==', rawData)).toBe(
    '75e81ceda165f4ffa64f4068af58c64b8f54b88c',
  );
});

it.each([
  [
    'V-H1',
    '9hAb/NEYUlkaMBEsmFgzig==',
    '{"openid": "xxx", "user_ip": "127.0.0.1", "env": 0}',
    '089d9e8dc5d308977360c4b79ec600a93d736802802a807d634192328032f6c7',
  ],
  [
    'V-H2',
    'gDyVgzwa0mFz9uUP7M6GQQ==',
    '1559129713_67297598215591297148AP6DT9ybtniUJfbwx20afc706a711eefc',
    'b002b824688dd8593a6079e11d8c5e8734fbcb39a6d5906eb347bfbcad79c617',
  ],
  [
    'V-H3',
    'tiihtNczf5v6AKRyjwEUhQ==',
    '',
    '7154f9f8b4b76b92f541cbf0e37d48840fa06e5e42da92a6f80168a1516a4735',
  ],
  [
    'V-H3',
    '9hAb/NEYUlkaMBEsmFgzig==',
    '',
    '1f7605aea24c0785899e51bc4c483167a20ea7b0f5f36cfd398e89cb21c91e9c',
  ],
  [
    'V-H3',
    'HyVFkGl5F5OQWJZZaNzBBg==',
    '',
    '252b75c92698025afe925b29cca5517fdf9ee67aae072cf3225ebf3a53783058',
  ],
  [
    'V-H3',
    'gDyVgzwa0mFz9uUP7M6GQQ==',
    '',
    'e35c090752203a4b504e53a52035160972950b8f52324508875b8770cd587845',
  ],
])('signs with the text of the session_key (%s)', (_name, key, message, signature) => {
  expect(signWithSessionKey(key, message)).toBe(signature);
});
