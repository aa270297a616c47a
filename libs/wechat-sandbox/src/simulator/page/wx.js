import { sandbox } from './control-api.js';
import { ownFetch } from './own-fetch.js';

/**
 * The part of WeChat's `wx` that the mini program here uses, on one user's phone. Promises instead of success and fail callbacks;
 * apart from that each function takes and gives what the real one does. WeChat's side is the sandbox, requests go to your server.
 */
export function createWx(userId) {
  return {
    login: () => sandbox.act(userId, 'login'),
    /** As base libraries before 2.27.1 do it: with the true name. */
    getUserInfo: () => sandbox.act(userId, 'getUserInfo'),
    /** The event of `<button open-type="getPhoneNumber">`. */
    getPhoneNumber: () => sandbox.act(userId, 'getPhoneNumber'),

    /** Like the real one it succeeds for every status; only a server that cannot be reached is a failure. */
    async request({ url, method = 'GET', data, header = {}, responseType = 'text' }) {
      const body = data && JSON.stringify(data);
      return send(
        url,
        {
          method,
          body,
          headers: { ...header, ...(body && { 'content-type': 'application/json' }) },
        },
        responseType,
      );
    },

    /** One file as multipart/form-data. `filePath` is a Blob here. */
    async uploadFile({
      url,
      method = 'POST',
      filePath,
      name,
      fileName,
      formData = {},
      header = {},
    }) {
      const form = new FormData();
      for (const [field, value] of Object.entries(formData)) form.append(field, value);
      form.append(name, filePath, fileName);
      return send(url, { method, body: form, headers: header }, 'text');
    },
  };

  async function send(url, init, responseType) {
    const answer = await ownFetch(`app${url}`, {
      ...init,
      headers: { ...init.headers, 'simulator-user': userId },
    });
    const status = answer.headers.get('simulator-status');
    if (!status) throw new Error((await answer.json().catch(() => ({}))).error ?? 'request:fail');
    const isFile = responseType === 'file' && status < 300;
    return {
      statusCode: Number(status),
      data: isFile ? await answer.blob() : parse(await answer.text()),
    };
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
