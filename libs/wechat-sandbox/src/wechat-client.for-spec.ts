import { createDecipheriv } from 'node:crypto';
import type { EncryptedData, SandboxApp, WechatSandbox } from './index.js';

type Query = Record<string, string>;

/** All fields that the responses of these tests can have. */
interface Reply {
  errcode: number;
  errmsg: string;
  openid: string;
  unionid: string;
  session_key: string;
  access_token: string;
  refresh_token: string;
  expires_in: number;
  phone_info: object;
  quota: object;
  request: object;
}

/** Calls the platform as a server does, and returns the responses. */
export class WechatClient {
  readonly mini: SandboxApp;
  readonly mobile: SandboxApp;

  constructor(private readonly wechat: WechatSandbox) {
    this.mini = wechat.apps[0]!;
    this.mobile = wechat.apps[1] ?? this.mini;
  }

  send(path: string, query: Query = {}, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.wechat.url}${path}?${new URLSearchParams(query).toString()}`, {
      redirect: 'manual',
      ...init,
    });
  }

  async get(path: string, query: Query = {}): Promise<Reply> {
    return read(await this.send(path, query));
  }

  async post(path: string, query: Query, body: unknown, init: RequestInit = {}): Promise<Reply> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return read(await this.send(path, query, { method: 'POST', body: text, ...init }));
  }

  /** `sns/jscode2session`; `changed` replaces single parameters. */
  exchange(code: string, changed: Query = {}): Promise<Reply> {
    return this.get('/sns/jscode2session', {
      appid: this.mini.appId,
      secret: this.mini.secret,
      js_code: code,
      grant_type: 'authorization_code',
      ...changed,
    });
  }

  stableToken(changed: object = {}): Promise<Reply> {
    const { appId: appid, secret } = this.mini;
    return this.post(
      '/cgi-bin/stable_token',
      {},
      { grant_type: 'client_credential', appid, secret, ...changed },
    );
  }

  legacyToken(changed: Query = {}): Promise<Reply> {
    const { appId: appid, secret } = this.mini;
    return this.get('/cgi-bin/token', {
      grant_type: 'client_credential',
      appid,
      secret,
      ...changed,
    });
  }

  /** Returns the query of an API that needs an app's token. */
  async withToken(app: { appId: string; secret: string } = this.mini): Promise<Query> {
    const { access_token } = await this.stableToken({ appid: app.appId, secret: app.secret });
    return { access_token };
  }
}

async function read(response: Response): Promise<Reply> {
  const reply: Reply = JSON.parse(await response.text());
  return reply;
}

/** Decrypts open data as a server does. */
export function decrypt({ encryptedData, iv }: EncryptedData, sessionKey: string): string {
  const decipher = createDecipheriv(
    'aes-128-cbc',
    Buffer.from(sessionKey, 'base64'),
    Buffer.from(iv, 'base64'),
  );
  return Buffer.concat([decipher.update(encryptedData, 'base64'), decipher.final()]).toString(
    'utf8',
  );
}

/** Moves the clock to the start of the next minute, so that WeChat's counters per minute are not reset during a test. */
export function nextMinute({ clock }: WechatSandbox): void {
  clock.advance(60_000 - (clock.now() % 60_000));
}
