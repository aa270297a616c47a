const { baseUrl } = require('../../config');
const session = require('../../session');
const { statusText } = require('../../contents');
const { succeeded, failed } = require('../../notice');

/** The server returns a path of its API if its PUBLIC_URL is not set. */
function addressOf(avatarUrl) {
  return avatarUrl && avatarUrl.charAt(0) === '/' ? baseUrl + avatarUrl : avatarUrl || '';
}

Page({
  data: { avatar: '', nickName: '', avatarStatus: '', avatarStatusText: '', stale: false },

  onShow() {
    return session
      .request({ url: '/me' })
      .then((me) => {
        this.setData({
          nickName: me.nickName || '',
          avatar: addressOf(me.avatarUrl),
          stale: Boolean(me.profileStale), // the user has changed the profile in WeChat
        });
        return this.showStatus();
      })
      .catch(failed);
  },

  // A picture that WeChat still checks or has blocked is not the avatar yet: the server keeps the earlier one.
  showStatus() {
    return session.request({ url: '/me/content' }).then((contents) => {
      const picture = contents.find(({ kind }) => kind === 'avatar');
      this.setData({
        avatarStatus: picture ? picture.status : '',
        avatarStatusText: picture ? statusText(picture.status) : '',
      });
    });
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
        return this.showStatus();
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
      .then(() => {
        this.setData({ stale: false });
        succeeded('已保存 Saved');
      })
      .catch(failed);
  },
});
