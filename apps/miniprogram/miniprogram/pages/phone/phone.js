const session = require('../../session');
const { succeeded, failed } = require('../../notice');

const NO_QUOTA = 1400001;

Page({
  data: { account: null, registration: null },

  // Adds the phone to the user who is logged in.
  bindPhone(event) {
    return this.withCode(event, (code) =>
      session
        .request({ url: '/me/phone', method: 'PUT', data: { code } })
        .then(() => succeeded('已绑定 Bound')),
    );
  },

  // Logs in to the account that has this phone, or offers to open one.
  phoneLogin(event) {
    return this.withCode(event, (code) =>
      session
        .request({ url: '/auth/phone-login', method: 'POST', data: { code } })
        .then(({ user }) => this.setData({ account: user, registration: null }))
        .catch((error) => {
          if (error.error !== 'ERR_NOT_REGISTERED') throw error;
          this.setData({ account: null, registration: error.data });
        }),
    );
  },

  register(event) {
    const { registrationTicket } = this.data.registration;
    const { nickName } = event.detail.value;
    return session
      .request({ url: '/auth/register', method: 'POST', data: { registrationTicket, nickName } })
      .then(({ user }) => this.setData({ account: user, registration: null }))
      .catch(failed);
  },

  // The code works once, so a failed call needs a new tap, not a new try. No code: the user refused, or the quota is used up.
  withCode(event, use) {
    const { code, errno } = event.detail;
    if (code) return use(code).catch(failed);
    if (errno === NO_QUOTA) failed(new Error('暂不可用 · Not available'));
    return undefined;
  },
});
