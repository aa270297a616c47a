const session = require('./session');

App({
  onShow: () => session.onShow(),
  onHide: () => session.onHide(),
});
