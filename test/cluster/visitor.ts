import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { createSession } from '../../libs/miniprogram-client/src/index.js';
import type { Session } from '../../libs/miniprogram-client/src/index.js';
import { httpSend } from '../../libs/miniprogram-client/test-support/http.js';
import { createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import type { Phone } from '../../libs/miniprogram-client/test-support/wx-shim.js';

const VOICE = 'wxfile://voice.wav';

/** A mini program on the phone of a new user. It tries again as the mini-program client documents. */
export class Visitor {
  readonly session: Session;
  readonly phone: Phone;
  /** The number of requests that it has sent. Tests set it to 0. */
  requests = 0;
  /** The number of responses with status 503. */
  refusals = 0;
  /** A recording of this user. */
  recordingId?: string;

  constructor({ wechat, url }: { wechat: WechatSandbox; url: string }) {
    const user = wechat.users.create();
    this.phone = createPhone({
      send: async (call) => {
        this.requests++;
        const reply = await httpSend(call);
        if (reply.statusCode === 503) this.refusals++;
        return reply;
      },
      login: () => user.login(),
      requestPayment: (params) => user.requestPayment(params),
    });
    this.session = createSession({ baseUrl: url, wx: this.phone.wx });
  }

  /** Uploads a recording. Returns its id. */
  async upload(sound: Buffer): Promise<string> {
    this.phone.files.set(VOICE, new Uint8Array(sound));
    const { id } = await this.session.uploadFile<{ id: string }>({
      url: '/recordings',
      filePath: VOICE,
    });
    return id;
  }

  /** Orders one latte. A repeat with the same key is the same order. */
  order(key: string): Promise<{ id: string; status: string }> {
    return this.session.request({
      url: '/orders',
      method: 'POST',
      header: { 'Idempotency-Key': key },
      data: { productId: 'latte', quantity: 1 },
    });
  }
}
