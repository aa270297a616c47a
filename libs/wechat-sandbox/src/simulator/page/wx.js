import { sandbox } from './control-api.js';
import { ask } from './dialogs.js';
import { ownFetch } from './own-fetch.js';

/**
 * The functions of `wx` that the mini program uses, on one user's phone. They return promises instead of calling success and fail, and
 * otherwise have the parameters and results of the real ones. WeChat is the sandbox, and requests go to your server.
 */
export function createWx(userId) {
  return {
    login: () => sandbox.act(userId, 'login'),
    /** As in base libraries before 2.27.1: with the real name. */
    getUserInfo: () => sandbox.act(userId, 'getUserInfo'),
    /** The event of `<button open-type="getPhoneNumber">`. */
    getPhoneNumber: () => sandbox.act(userId, 'getPhoneNumber'),

    /**
     * Shows the pay sheet, then pays. Resolves with the `errMsg` of success and of failure.
     * @param order with the `amount` that the sheet shows. WeChat's own sheet reads it from the prepay id
     */
    async requestPayment(params, { amount }) {
      const outcome = await ask(userId, { kind: 'pay', amount });
      return sandbox.act(userId, 'requestPayment', { params, outcome });
    },

    /** Shows the prompt for messages. @param templates with `id` and `title`. The real function has the ids only */
    async requestSubscribeMessage(templates) {
      const choose = await ask(userId, { kind: 'subscribe', templates });
      const templateIds = templates.map(({ id }) => id);
      return sandbox.act(userId, 'requestSubscribeMessage', { templateIds, choose });
    },

    /** Resolves for every status, like the real one. It rejects only if the server cannot be reached. */
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
    const response = await ownFetch(`app${url}`, {
      ...init,
      headers: { ...init.headers, 'simulator-user': userId },
    });
    const status = response.headers.get('simulator-status');
    if (!status) throw new Error((await response.json().catch(() => ({}))).error ?? 'request:fail');
    const isFile = responseType === 'file' && status < 300;
    return {
      statusCode: Number(status),
      data: isFile ? await response.blob() : parse(await response.text()),
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
