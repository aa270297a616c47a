import { Keyring } from '../crypto/keyring.js';
import { hasTokenFormat, TokenFormat } from './session-token.js';

describe('TokenFormat', () => {
  const keyring = new Keyring([{ appId: 'wx1', secret: 'a secret', kind: 'mini-program' }], []);
  const key = keyring.keys[0]!;
  const macs = jest.spyOn(key, 'mac');
  const issuer = new TokenFormat(keyring, 'srd');
  const token = issuer.create();
  const text = issuer.format(token, key);

  beforeEach(() => macs.mockClear());

  it('verifies a token once, and not at all if it issued the token itself', () => {
    const other = new TokenFormat(keyring, 'srd');
    expect([other.parse(text), other.parse(text), other.parse(text)]).toEqual([
      token,
      token,
      token,
    ]);
    expect(macs).toHaveBeenCalledTimes(1);
    expect(issuer.parse(text)).toEqual(token);
    expect(macs).toHaveBeenCalledTimes(1);
  });

  it('verifies an invented token each time and does not cache it', () => {
    const invented = `srd_${Buffer.alloc(32, 7).toString('base64url')}`;
    expect([issuer.parse(invented), issuer.parse(invented)]).toEqual([undefined, undefined]);
    expect(macs).toHaveBeenCalledTimes(2);
  });

  it('refuses a text that resembles a token', () => {
    const ofAnotherKind = new TokenFormat(keyring, 'mot').format(token, key);
    const lastBits = `${text.slice(0, -1)}${String.fromCharCode(text.charCodeAt(text.length - 1) + 1)}`;
    const resembling = [
      `${text} `,
      text.toUpperCase(),
      text.replace('srd_', 'mot_'),
      text.slice(0, -1),
      lastBits,
      ofAnotherKind,
    ];
    expect(resembling.map((one) => issuer.parse(one))).toEqual(resembling.map(() => undefined));
  });

  it('formats one record the same way each time', () => {
    expect(issuer.format(token, key)).toBe(text);
  });

  it('distinguishes the format of a token from that of a JWT', () => {
    const others = ['eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl', 'srd_', `${text}x`, ''];
    expect([text, text.replace('srd_', 'mot_')].map(hasTokenFormat)).toEqual([true, true]);
    expect(others.map(hasTokenFormat)).toEqual(others.map(() => false));
  });
});
