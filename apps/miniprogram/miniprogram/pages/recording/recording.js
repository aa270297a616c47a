const { ensureScope } = require('nestjs-wechat-miniprogram');
const session = require('../../session');
const { statusText } = require('../../contents');
const { succeeded, failed } = require('../../notice');

// 16 kHz mono is enough for a voice. WeChat requires 24 to 96 kbit/s for that rate. Ten minutes is the maximum of WeChat and of the server.
const VOICE = {
  format: 'mp3',
  sampleRate: 16000,
  numberOfChannels: 1,
  encodeBitRate: 48000,
  duration: 600000,
};

const recorder = wx.getRecorderManager(); // one for the whole mini program
const player = wx.createInnerAudioContext();

Page({
  data: { recording: false, uploading: false, percent: 0, recordings: [] },

  onLoad() {
    recorder.onStart(() => this.setData({ recording: true }));
    recorder.onStop((voice) => this.upload(voice));
    recorder.onError((error) => {
      this.setData({ recording: false });
      failed(new Error(error.errMsg));
    });
    player.onError((error) => failed(new Error(error.errMsg)));
  },

  onShow() {
    return this.list();
  },

  start() {
    return ensureScope('scope.record', {
      reason: '录音需要麦克风 · Recording needs the microphone',
    })
      .then((allowed) => {
        if (allowed) recorder.start(VOICE);
      })
      .catch(failed);
  },

  stop() {
    recorder.stop();
  },

  upload(voice) {
    this.setData({ recording: false, uploading: true, percent: 0 });
    return session
      .uploadFile({
        url: '/recordings',
        filePath: voice.tempFilePath,
        formData: { duration: String(Math.round(voice.duration)) },
        onProgress: (percent) => this.setData({ percent }),
      })
      .then(() => succeeded('已上传 Uploaded'))
      .then(() => this.list())
      .catch(failed)
      .then(() => this.setData({ uploading: false }));
  },

  list() {
    return session
      .request({ url: '/recordings' })
      .then((recordings) => this.setData({ recordings: recordings.map(readable) }))
      .catch(failed);
  },

  // A player cannot send the session, so the page downloads the file first.
  play(event) {
    return session
      .downloadFile({ url: `/recordings/${event.currentTarget.dataset.id}/content` })
      .then((path) => {
        player.src = path;
        player.play();
      })
      .catch(failed);
  },

  // The server shares a recording only after WeChat has passed it.
  share(event) {
    return session
      .request({ url: `/recordings/${event.currentTarget.dataset.id}/share`, method: 'POST' })
      .then(({ url }) => wx.setClipboardData({ data: url }))
      .catch(failed);
  },

  remove(event) {
    return session
      .request({ url: `/recordings/${event.currentTarget.dataset.id}`, method: 'DELETE' })
      .then(() => this.list())
      .catch(failed);
  },

  onHide() {
    player.stop();
  },
});

function readable({ id, duration, status, createdAt }) {
  return {
    id,
    status,
    statusText: statusText(status),
    seconds: duration ? Math.round(duration / 1000) : '?',
    when: createdAt.slice(0, 16).replace('T', ' '),
  };
}
