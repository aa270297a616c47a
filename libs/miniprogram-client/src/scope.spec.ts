import { createPhone } from '../test-support/wx-shim.js';
import { FakeServer } from '../test-support/fake-server.js';
import { ensureScope } from './index.js';

const server = new FakeServer();
const newPhone = () => createPhone({ send: server.send, login: server.wxLogin });
const record = (phone: ReturnType<typeof newPhone>) =>
  ensureScope('scope.record', { wx: phone.wx, reason: '录音' });

describe('ensureScope', () => {
  it('asks a user who was never asked', async () => {
    const phone = newPhone();
    expect(await record(phone)).toBe(true);
    expect(phone.calls).toEqual({ requirePrivacyAuthorize: 1, getSetting: 1, authorize: 1 });
  });

  it('does not ask a user who has allowed it', async () => {
    const phone = newPhone();
    phone.permissions['scope.record'] = true;
    expect(await record(phone)).toBe(true);
    expect(phone.calls['authorize']).toBeUndefined();
  });

  it('returns false after a first refusal, and shows no dialog', async () => {
    const phone = newPhone();
    phone.user.allows = false;
    expect(await record(phone)).toBe(false);
    expect(phone.calls['showModal']).toBeUndefined();
  });

  it('opens the settings for a user who refused earlier', async () => {
    const phone = newPhone();
    phone.permissions['scope.record'] = false;
    expect(await record(phone)).toBe(true);
    expect(phone.calls).toMatchObject({ showModal: 1, openSetting: 1 });
  });

  it.each([
    ['closes the dialog', { confirms: false }],
    ['leaves the switch off', { switchesOn: false }],
    ['does not agree to the privacy statement', { agreesToPrivacy: false }],
  ])('is false when the user %s', async (_, decision) => {
    const phone = newPhone();
    phone.permissions['scope.record'] = false;
    Object.assign(phone.user, decision);
    expect(await record(phone)).toBe(false);
  });

  it('throws the errors that only the developer can fix', async () => {
    const phone = newPhone();
    phone.failNext('requirePrivacyAuthorize', {
      errMsg: 'api scope is not declared in the privacy agreement',
      errno: 112,
    });
    await expect(record(phone)).rejects.toMatchObject({ error: 'ERR_WX', code: 112 });
    phone.failNext('authorize', { errMsg: 'appid privacy api banned', errno: 1025 });
    await expect(record(phone)).rejects.toMatchObject({ code: 1025 });
  });

  it('works with base libraries without privacy consent', async () => {
    const phone = newPhone();
    delete phone.wx.requirePrivacyAuthorize;
    expect(await record(phone)).toBe(true);
  });
});
