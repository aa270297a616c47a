import { shopActions } from './shop-actions.js';
import { now, phoneOf } from './state.js';
import { createPicture } from './picture.js';
import { turnsOf } from './turns.js';
import { createWavFile } from './wav.js';
import { createWx } from './wx.js';

/** How long the server accepts a replaced session_rd by default. */
export const GRACE_MS = 60_000;

/** `expiresIn` is in whole seconds, and the response takes time. */
const CLOCK_TOLERANCE_MS = 5000;

/** What the page does without a press. */
const AUTOMATIC = new Set(['renewOrder', 'renewContent']);

/** An error response of the server. */
class Refusal extends Error {
  constructor({ statusCode, data }) {
    super(data?.msg ?? `HTTP ${statusCode}`);
    Object.assign(this, { statusCode, error: data?.error, code: data?.code, data: data?.data });
  }
}

/** The key of one refresh, 128 random bits. It is made with the session, so each retry of the refresh carries the same. */
const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');

const bearer = (session_rd) => (session_rd ? { Authorization: `Bearer ${session_rd}` } : {});

/**
 * The mini program of one user, as a team would write it. Of the login it stores the `session_rd` only, and it never receives the
 * `session_key`. Each function sets `phone.result`, which the screen shows.
 */
export function miniProgramOf(userId) {
  const phone = phoneOf(userId);
  const wx = createWx(userId);

  /** Sends one request with the session or another token. Returns the envelope's data or the file, or throws a Refusal. */
  async function call(
    method,
    url,
    data,
    { token = phone.session?.session_rd, header, responseType } = {},
  ) {
    return unwrap(
      await wx.request({
        method,
        url,
        data,
        header: { ...bearer(token), ...header },
        responseType,
      }),
      token,
    );
  }

  function unwrap(response, token) {
    if (response.statusCode < 300)
      return response.data instanceof Blob ? response.data : response.data.data;
    const refusal = new Refusal(response);
    const ofSession =
      refusal.error === 'ERR_WECHAT_SESSION' &&
      token !== undefined &&
      token === phone.session?.session_rd;
    if (ofSession) phone.session = { ...phone.session, ended: true };
    throw refusal;
  }

  function storeSession({ session_rd, expiresIn }, replaced) {
    const start = now();
    phone.session = {
      session_rd,
      start,
      end: start + expiresIn * 1000,
      refreshKey: newKey(),
      replaced,
    };
  }

  async function pictureStatus() {
    const contents = await call('GET', '/me/content').catch(() => []);
    return contents.find(({ kind }) => kind === 'avatar')?.status;
  }

  const actions = {
    ...shopActions({ userId, wx, call }),

    async login() {
      const { code } = await wx.login();
      const response = await call('POST', '/auth/login', { code });
      storeSession(response);
      phone.me = response.user;
      return {
        kind: 'login',
        isNewUser: response.isNewUser,
        session_rd: response.session_rd,
        code,
      };
    },

    async refresh() {
      const { session_rd, refreshKey } = phone.session ?? {};
      const header = { 'Idempotency-Key': refreshKey };
      storeSession(await call('POST', '/auth/refresh', undefined, { header }), {
        session_rd,
        at: now(),
      });
      return { kind: 'refreshed', session_rd: phone.session.session_rd };
    },

    async me() {
      phone.me = await call('GET', '/me');
      return { kind: 'me', json: phone.me };
    },

    async tryReplaced() {
      const me = await call('GET', '/me', undefined, {
        token: phone.session?.replaced?.session_rd,
      });
      return { kind: 'me', json: me, replaced: true };
    },

    async session() {
      const session = await call('GET', '/auth/session');
      const [end, loginEnd] = [session.expiresAt, session.loginExpiresAt].map((time) =>
        Date.parse(time),
      );
      phone.session = {
        ...phone.session,
        end,
        loginEnd,
        ownClock: Math.abs(end - phone.session.end) > CLOCK_TOLERANCE_MS,
      };
      return { kind: 'session', json: session };
    },

    async profile() {
      const { rawData, signature, encryptedData, iv } = await wx.getUserInfo();
      phone.me = await call('PUT', '/me/profile', { rawData, signature, encryptedData, iv });
      return { kind: 'profile', me: phone.me };
    },

    /** The current way: the user types the name, because WeChat no longer provides it. */
    async saveNickName(nickName) {
      phone.me = await call('PATCH', '/me', { nickName });
      return { kind: 'profile', me: phone.me };
    },

    /** The picture of `<button open-type="chooseAvatar">`. Without content checks the server has no status of it. */
    async savePicture() {
      const filePath = await createPicture();
      const token = phone.session?.session_rd;
      const upload = { url: '/me/avatar', filePath, name: 'file' };
      phone.me = unwrap(
        await wx.uploadFile({ ...upload, fileName: 'tmp_avatar.png', header: bearer(token) }),
        token,
      );
      return { kind: 'profile', me: phone.me, pictureStatus: await pictureStatus() };
    },

    /** Reads the results of content checks again, after a push of WeChat. */
    async renewContent() {
      const { result } = phone;
      if (result?.kind === 'recordings')
        return { ...result, list: await call('GET', '/recordings') };
      if (result?.pictureStatus) return { ...result, pictureStatus: await pictureStatus() };
      return result;
    },

    async phoneNumber(encrypted) {
      const { code, encryptedData, iv } = await wx.getPhoneNumber();
      try {
        const { user, token, linked, registrationTicket } = await call(
          'POST',
          '/auth/phone-login',
          encrypted ? { encryptedData, iv } : { code },
        );
        const number = user.phoneNumber;
        if (linked === false)
          return { kind: 'notLinked', number, user, ticket: registrationTicket, encrypted };
        phone.me = user;
        return { kind: 'phone', number, token, encrypted };
      } catch (refusal) {
        if (refusal.error !== 'ERR_NOT_REGISTERED') throw refusal;
        return {
          kind: 'register',
          number: refusal.data.phoneNumber,
          ticket: refusal.data.registrationTicket,
          encrypted,
        };
      }
    },

    async register({ ticket, number, encrypted }) {
      const { user, token } = await call('POST', '/auth/register', { registrationTicket: ticket });
      phone.me = user;
      return {
        kind: 'phone',
        number: user.phoneNumber ?? number,
        token,
        encrypted,
        registered: true,
      };
    },

    /** The account with the number belongs to another person: moves the number to the account of this user. */
    async takeOverNumber({ ticket, encrypted }) {
      const data = { registrationTicket: ticket, takeOverNumber: true };
      const { user, token } = await call('POST', '/auth/register', data);
      phone.me = user;
      return { kind: 'phone', number: user.phoneNumber, token, encrypted, takenOver: true };
    },

    async record() {
      const filePath = createWavFile();
      const token = phone.session?.session_rd;
      const upload = {
        url: '/recordings',
        filePath,
        name: 'file',
        fileName: 'tmp_recording.wav',
        header: bearer(token),
      };
      const { id } = unwrap(
        await wx.uploadFile({ ...upload, formData: { duration: '1000' } }),
        token,
      );
      return { kind: 'recordings', list: await call('GET', '/recordings'), fresh: id };
    },

    async play({ list }, id) {
      const blob = await call('GET', `/recordings/${id}/content`, undefined, {
        responseType: 'file',
      });
      return { kind: 'recordings', list, playing: id, src: URL.createObjectURL(blob) };
    },

    async deleteRecording(id) {
      await call('DELETE', `/recordings/${id}`);
      return { kind: 'recordings', list: await call('GET', '/recordings') };
    },

    async qrCode(scene) {
      const image = await call(
        'POST',
        '/qrcodes',
        { scene, page: 'pages/index/index' },
        { responseType: 'file' },
      );
      return { kind: 'code', image, src: URL.createObjectURL(image), scene };
    },

    async logout() {
      await call('POST', '/auth/logout').finally(() => {
        phone.session = undefined;
        phone.me = undefined;
      });
      return { kind: 'loggedOut' };
    },

    /** Opens the mini program at the page and scene of a scanned code, as WeChat does. */
    async openByCode(launch) {
      const login = await actions.login();
      return { kind: 'launched', launch, isNewUser: login.isNewUser };
    },
  };

  const { press, renew } = turnsOf(phone);
  return Object.fromEntries(
    Object.entries(actions).map(([name, action]) => {
      const run = AUTOMATIC.has(name) ? renew : press;
      return [name, (...given) => run(name, () => action(...given))];
    }),
  );
}
