const session = require('../../session');
const { succeeded, failed } = require('../../notice');

Page({
  data: { avatar: '', nickName: '' },

  onShow() {
    return session
      .request({ url: '/me' })
      .then((me) => this.setData({ nickName: me.nickName || '' }))
      .catch(failed);
  },

  // WeChat gives a temporary file that only this phone can read: show it, and send it to the server.
  chooseAvatar(event) {
    const { avatarUrl } = event.detail;
    this.setData({ avatar: avatarUrl });
    return session
      .uploadFile({ url: '/me/avatar', filePath: avatarUrl })
      .then(() => succeeded('已保存 Saved'))
      .catch(failed);
  },

  // A form, because WeChat checks the nickname after the field loses focus and may still empty it.
  saveNickName(event) {
    const { nickName } = event.detail.value;
    if (!nickName) return undefined;
    // PUT: wx.request has no PATCH.
    return session
      .request({ url: '/me', method: 'PUT', data: { nickName } })
      .then(() => succeeded('已保存 Saved'))
      .catch(failed);
  },
});
