import { Keyring } from '../crypto/keyring.js';
import { formatToken, newToken } from './session-token.js';
import { SessionTokens } from './session-tokens.js';

describe('SessionTokens', () => {
  const keyring = new Keyring([{ appId: 'wx1', secret: 'a secret', kind: 'mini-program' }], []);
  const [key] = keyring.keys;
  const proofs = jest.spyOn(key!, 'checkOf');
  const minted = newToken();
  const text = formatToken('srd', minted, key!);

  beforeEach(() => proofs.mockClear());

  it('proves a token once, however often it comes', () => {
    const tokens = new SessionTokens(keyring);
    expect([tokens.parse(text), tokens.parse(text), tokens.parse(text)]).toEqual([
      minted,
      minted,
      minted,
    ]);
    expect(proofs).toHaveBeenCalledTimes(1);
  });

  it('proves an invented one each time, and keeps nothing of it', () => {
    const tokens = new SessionTokens(keyring);
    const invented = `srd_${Buffer.alloc(32, 7).toString('base64url')}`;
    expect([tokens.parse(invented), tokens.parse(invented)]).toEqual([undefined, undefined]);
    expect(proofs).toHaveBeenCalledTimes(2);
  });

  it('takes no token for one that it resembles', () => {
    const tokens = new SessionTokens(keyring);
    tokens.parse(text);
    const resembling = [
      `${text} `,
      text.toUpperCase(),
      text.replace('srd_', 'mot_'),
      text.slice(0, -1),
      formatToken('mot', minted, key!),
    ];
    expect(resembling.map((one) => tokens.parse(one))).toEqual(resembling.map(() => undefined));
  });
});
