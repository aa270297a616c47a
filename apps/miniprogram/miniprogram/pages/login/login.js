const session = require('../../session');
const { succeeded, failed } = require('../../notice');

Page({
  data: { signedIn: false, details: null },

  onShow() {
    this.setData({ signedIn: session.state.signedIn });
    if (session.state.signedIn) this.showDetails();
  },

  login() {
    return session
      .login()
      .then(() => this.showDetails())
      .catch(failed);
  },

  refresh() {
    return session
      .refresh()
      .then(() => this.showDetails())
      .then(() => succeeded('已刷新 Refreshed'))
      .catch(failed);
  },

  logout() {
    // The session is removed from the phone at once, also if the server cannot be reached.
    return session
      .logout()
      .catch(failed)
      .then(() => this.setData({ signedIn: false, details: null }));
  },

  showDetails() {
    return session
      .request({ url: '/auth/session' })
      .then((details) => this.setData({ signedIn: true, details }))
      .catch(failed);
  },
});
