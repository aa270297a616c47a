const session = require('../../session');
const { succeeded, failed } = require('../../notice');

const NO_QUOTA = 1400001;

Page({
  data: { account: null, registration: null, otherAccount: null },

  // Sets the phone number of the user who is logged in.
  bindPhone(event) {
    return this.withCode(event, (code) =>
      session
        .request({ url: '/me/phone', method: 'PUT', data: { code } })
        .then(() => succeeded('已绑定 Bound')),
    );
  },

  // Logs in to the account that has this number. If no account has it, the page offers to register.
  // `linked: false`: the account may belong to another person, so the page asks the user.
  phoneLogin(event) {
    return this.withCode(event, (code) =>
      session
        .request({ url: '/auth/phone-login', method: 'POST', data: { code } })
        .then(({ user, linked, registrationTicket }) =>
          linked
            ? this.show({ account: user })
            : this.show({ otherAccount: Object.assign({ registrationTicket }, user) }),
        )
        .catch((error) => {
          if (error.error !== 'ERR_NOT_REGISTERED') throw error;
          this.show({ registration: error.data });
        }),
    );
  },

  register(event) {
    const { registrationTicket } = this.data.registration;
    const { nickName } = event.detail.value;
    return this.sendTicket({ registrationTicket, nickName });
  },

  // "This is not my account": the number moves to the user's own account. The other account keeps all other data.
  takeOverNumber() {
    const { registrationTicket } = this.data.otherAccount;
    return this.sendTicket({ registrationTicket, takeOverNumber: true });
  },

  sendTicket(data) {
    return session
      .request({ url: '/auth/register', method: 'POST', data })
      .then(({ user }) => this.show({ account: user }))
      .catch(failed);
  },

  // Shows one of the three cards.
  show(card) {
    this.setData(Object.assign({ account: null, registration: null, otherAccount: null }, card));
  },

  // A code works once, so after a failed call the user taps again. There is no code if the user refused or the quota is used up.
  withCode(event, use) {
    const { code, errno } = event.detail;
    if (code) return use(code).catch(failed);
    if (errno === NO_QUOTA) failed(new Error('暂不可用 · Not available'));
    return undefined;
  },
});
