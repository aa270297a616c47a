import { createDecipheriv, createPrivateKey, randomBytes, sign, verify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { PayMerchant, RequestPaymentParams, SandboxUser, WechatSandbox } from '../index.js';

/** All fields that the responses of these tests can have. */
interface ReplyJson {
  code: string;
  message: string;
  detail: Record<string, unknown>;
  prepay_id: string;
  code_url: string;
  trade_state: string;
  transaction_id: string;
  refund_id: string;
  status: string;
  download_url: string;
  hash_value: string;
  data: { serial_no: string; encrypt_certificate: EncryptedJson }[];
}

interface EncryptedJson {
  ciphertext: string;
  nonce: string;
  associated_data: string;
}

/** A response as it was received. */
export interface PayReply {
  status: number;
  headers: Headers;
  text: string;
  json: ReplyJson;
}

/** The mistakes that a call can have. */
export interface Wrong {
  headers?: Record<string, string | undefined>;
  timestamp?: number;
  mchid?: string;
  serial?: string;
  /** Replaces the bytes after they were signed. */
  sent?: string;
  authorization?: (right: string) => string;
}

/** Calls WeChat Pay as a merchant's server does, without the library. */
export class PayClient {
  private readonly privateKey = createPrivateKey(this.merchant.privateKey);

  constructor(
    private readonly wechat: WechatSandbox,
    readonly merchant: PayMerchant = wechat.pay.merchant,
  ) {}

  async call(method: string, path: string, body?: unknown, wrong: Wrong = {}): Promise<PayReply> {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const headers: Record<string, string | undefined> = {
      Accept: 'application/json',
      'User-Agent': 'spec',
      Authorization: this.authorization(method, path, text, wrong),
      ...(text && { 'Content-Type': 'application/json' }),
      ...wrong.headers,
    };
    const sent = wrong.sent ?? text;
    const response = await fetch(this.wechat.url + path, {
      method,
      headers: Object.entries(headers).filter(
        (pair): pair is [string, string] => pair[1] !== undefined,
      ),
      ...(sent && { body: sent }),
    });
    const reply = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text: reply,
      json: parsed(reply) as ReplyJson,
    };
  }

  prepay(changed: object = {}, wrong?: Wrong): Promise<PayReply> {
    return this.call('POST', '/v3/pay/transactions/jsapi', this.prepayBody(changed), wrong);
  }

  native(changed: object = {}): Promise<PayReply> {
    const { payer: _payer, ...body } = this.prepayBody();
    return this.call('POST', '/v3/pay/transactions/native', { ...body, ...changed });
  }

  prepayBody(changed: object = {}): Record<string, unknown> {
    return {
      appid: this.merchant.appIds[0],
      mchid: this.merchant.mchId,
      description: '拿铁',
      out_trade_no: 'order-0001',
      notify_url: 'http://127.0.0.1:9/notify',
      amount: { total: 2200, currency: 'CNY' },
      ...changed,
    };
  }

  query(outTradeNo = 'order-0001'): Promise<PayReply> {
    const { mchId } = this.merchant;
    return this.call('GET', `/v3/pay/transactions/out-trade-no/${outTradeNo}?mchid=${mchId}`);
  }

  close(outTradeNo = 'order-0001'): Promise<PayReply> {
    const path = `/v3/pay/transactions/out-trade-no/${outTradeNo}/close`;
    return this.call('POST', path, { mchid: this.merchant.mchId });
  }

  refund(changed: object = {}): Promise<PayReply> {
    return this.call('POST', '/v3/refund/domestic/refunds', {
      out_trade_no: 'order-0001',
      out_refund_no: 'refund-1',
      amount: { refund: 2200, total: 2200, currency: 'CNY' },
      ...changed,
    });
  }

  /** The parameters that the server returns to the mini program. */
  params(prepayId: string, changed: Partial<RequestPaymentParams> = {}): RequestPaymentParams {
    const params = {
      timeStamp: String(Math.floor(Date.now() / 1000)),
      nonceStr: randomBytes(16).toString('hex'),
      package: `prepay_id=${prepayId}`,
      signType: 'RSA',
      ...changed,
    };
    const appId = this.merchant.appIds[0];
    const text = `${appId}\n${params.timeStamp}\n${params.nonceStr}\n${params.package}\n`;
    return { paySign: this.sign(text), ...params };
  }

  /** Orders and pays. */
  async buy(user: SandboxUser, changed: object = {}): Promise<{ errMsg: string }> {
    const { json } = await this.prepay({ payer: { openid: user.openid() }, ...changed });
    return user.requestPayment(this.params(json.prepay_id));
  }

  /** The bytes of a file. */
  async download(path: string): Promise<{ status: number; headers: Headers; bytes: Buffer }> {
    const headers = {
      Accept: '*/*',
      'User-Agent': 'spec',
      Authorization: this.authorization('GET', path, '', {}),
    };
    const response = await fetch(this.wechat.url + path, { headers });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  }

  sign(text: string): string {
    return sign('sha256', Buffer.from(text), this.privateKey).toString('base64');
  }

  private authorization(method: string, path: string, body: string, wrong: Wrong): string {
    const timestamp = wrong.timestamp ?? Math.floor(Date.now() / 1000);
    const nonce = randomBytes(16).toString('hex');
    const fields = {
      mchid: wrong.mchid ?? this.merchant.mchId,
      nonce_str: nonce,
      signature: this.sign(`${method}\n${path}\n${timestamp}\n${nonce}\n${body}\n`),
      timestamp,
      serial_no: wrong.serial ?? this.merchant.certificateSerial,
    };
    const list = Object.entries(fields).map(([name, value]) => `${name}="${value}"`);
    const right = `WECHATPAY2-SHA256-RSA2048 ${list.join(',')}`;
    return wrong.authorization ? wrong.authorization(right) : right;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether the signature of these bytes is valid. */
export function isSignedBy(
  key: { id: string; pem: string } | undefined,
  headers: Headers | IncomingHttpHeaders,
  body: string | Buffer,
): boolean {
  const get = (name: string): string =>
    String(headers instanceof Headers ? headers.get(name) : headers[name]);
  if (!key || get('wechatpay-serial') !== key.id) return false;
  const text = `${get('wechatpay-timestamp')}\n${get('wechatpay-nonce')}\n${body.toString()}\n`;
  const signature = Buffer.from(get('wechatpay-signature'), 'base64');
  return verify('sha256', Buffer.from(text), key.pem, signature);
}

/** The resource of a notification or a certificate, decrypted. */
export function decryptResource(resource: EncryptedJson, apiV3Key: string): string {
  const bytes = Buffer.from(resource.ciphertext, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', apiV3Key, resource.nonce)
    .setAAD(Buffer.from(resource.associated_data))
    .setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString();
}

/** A notification as it was received. */
export interface Arrived {
  headers: IncomingHttpHeaders;
  body: Buffer;
  json: { id: string; event_type: string; summary: string; resource: EncryptedJson };
}

/** An application that takes notifications. */
export class Shop {
  readonly arrived: Arrived[] = [];
  /** Statuses of the next responses; then 204. */
  readonly responses: (number | 'hang')[] = [];
  private server: Server;

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      void buffer(request).then((body) => {
        this.arrived.push({
          headers: request.headers,
          body,
          json: parsed(body.toString()) as Arrived['json'],
        });
        const status = this.responses.shift() ?? 204;
        if (status !== 'hang') response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/wechat/pay/notify`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
