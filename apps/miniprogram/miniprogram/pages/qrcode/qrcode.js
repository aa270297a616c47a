const session = require('../../session');
const { failed } = require('../../notice');

Page({
  data: { image: '' },

  create(event) {
    const { scene } = event.detail.value;
    return session
      .request({ url: '/qrcodes', method: 'POST', data: { scene }, responseType: 'arraybuffer' })
      .then((bytes) =>
        this.setData({ image: `data:image/png;base64,${wx.arrayBufferToBase64(bytes)}` }),
      )
      .catch(failed);
  },
});
