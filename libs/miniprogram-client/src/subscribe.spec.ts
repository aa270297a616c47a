import { FakeServer } from '../test-support/fake-server.js';
import { failureOf, useFakeTime } from '../test-support/time.js';
import { createPhone } from '../test-support/wx-shim.js';
import { askToSubscribe } from './index.js';

const server = new FakeServer();
const newPhone = () => createPhone({ send: server.send, login: server.wxLogin });

describe('askToSubscribe', () => {
  it('returns the decision for each template', async () => {
    const phone = newPhone();
    const results = phone.tap(() => askToSubscribe(['paid', 'ready'], { wx: phone.wx }));
    expect(await results).toEqual({ paid: 'accept', ready: 'accept' });
    phone.user.allows = false;
    expect(await phone.tap(() => askToSubscribe(['paid'], { wx: phone.wx }))).toEqual({
      paid: 'reject',
    });
  });

  it('asks during the tap, and an app that awaits a promise first gets ERR_WX', async () => {
    const phone = newPhone();
    const late = phone.tap(() =>
      Promise.resolve().then(() => askToSubscribe(['paid'], { wx: phone.wx })),
    );
    await expect(late).rejects.toMatchObject({
      error: 'ERR_WX',
      message: 'requestSubscribeMessage:fail can only be invoked by user TAP gesture.',
    });
  });

  it('rejects with WeChat’s errCode', async () => {
    const phone = newPhone();
    const off = { errMsg: 'requestSubscribeMessage:fail main switch is off', errCode: 20004 };
    phone.failNext('requestSubscribeMessage', off);
    const asked = phone.tap(() => askToSubscribe(['paid'], { wx: phone.wx }));
    await expect(asked).rejects.toMatchObject({ error: 'ERR_WX', code: 20004 });
  });

  it('rejects after five minutes without a callback', async () => {
    useFakeTime();
    const phone = newPhone();
    phone.wx.requestSubscribeMessage = () => undefined;
    const failure = await failureOf(askToSubscribe(['paid'], { wx: phone.wx }));
    expect(failure.message).toBe('timeout: no callback within 300000 ms');
    jest.useRealTimers();
  });
});
