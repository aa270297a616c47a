const { baseUrl } = require('../../config');
const session = require('../../session');
const { succeeded, failed } = require('../../notice');

/** The server returns a path of its API if its PUBLIC_URL is not set. */
function addressOf(avatarUrl) {
  return avatarUrl && avatarUrl.charAt(0) === '/' ? baseUrl + avatarUrl : avatarUrl || '';
}

Page({
  data: { avatar: '', nickName: '' },

  onShow() {
    return session
      .request({ url: '/me' })
      .then((me) => this.setData({ nickName: me.nickName || '', avatar: addressOf(me.avatarUrl) }))
      .catch(failed);
  },

  // WeChat returns a temporary file that only this phone can read: show it, and upload it.
  chooseAvatar(event) {
    const { avatarUrl } = event.detail;
    this.setData({ avatar: avatarUrl });
    return session
      .uploadFile({ url: '/me/avatar', filePath: avatarUrl })
      .then((me) => {
        this.setData({ avatar: addressOf(me.avatarUrl) });
        succeeded('已保存 Saved');
      })
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
