import { constants, privateDecrypt } from 'node:crypto';
import { PlatformResponse } from '../transport/response.js';
import type { Fault } from '../faults.js';
import type { PlatformRequest } from '../transport/request.js';
import { authenticate } from './authorization.js';
import { fieldFailure, parseBody } from './body-schemas.js';
import type { PayMerchant } from './merchant.js';
import type { OrderRecord } from './order.js';
import { PayFailure } from './pay-failure.js';
import { newRequestId, signatureHeaders, type PlatformKey } from './signing.js';
import type { WechatPay } from './wechat-pay.js';

/** A call with valid headers, age and signature. */
interface PayCall {
  merchant: PayMerchant;
  /** Signs the response. */
  key: PlatformKey;
  /** `Wechatpay-Serial` of the request. */
  serial?: string;
  /** The variable parts of the path, in their order. */
  parameters: readonly string[];
  query: Readonly<Record<string, string>>;
  body: Buffer;
}

interface PayRoute {
  method: 'GET' | 'POST';
  /** `:name` stands for one path segment. */
  path: string;
  /** Returns the JSON of a 200, a file, or undefined for a 204. */
  handle(call: PayCall): object | Buffer | undefined;
}

/** Whether a path belongs to WeChat Pay. */
export const isPayPath = (path: string): boolean => path.startsWith('/v3/');

const TRANSACTIONS = '/v3/pay/transactions';
/** The age of an old signature in real time. No client may accept it. */
const STALE_MS = 10 * 60_000;
const REFUNDS = '/v3/refund/domestic/refunds';
const { RSA_PKCS1_OAEP_PADDING } = constants;

/** The API of WeChat Pay: `https://api.mch.weixin.qq.com`. */
export class PayRoutes {
  private readonly routes: readonly PayRoute[];

  constructor(private readonly pay: WechatPay) {
    this.routes = [
      ...orderRoutes(pay),
      ...refundRoutes(pay),
      ...securityRoutes(pay),
      ...billRoutes(pay),
    ];
  }

  /** The paths with their variable parts as `:name`. */
  get paths(): string[] {
    return this.routes.map(({ path }) => path);
  }

  /** Returns the path of the route for a request: `/v3/pay/transactions/id/:id`. */
  patternOf(path: string): string | undefined {
    return this.routes.find((route) => matches(route.path, path))?.path;
  }

  /** The response of WeChat Pay: signed if it is a success. */
  respond(request: PlatformRequest): PlatformResponse {
    const routes = this.routes.filter((route) => matches(route.path, request.path));
    if (routes.length === 0) return bare(404);
    const route = routes.find(({ method }) => method === request.method);
    if (!route) return bare(405);
    try {
      const { merchant, key } = authenticate(request, this.pay.merchants);
      const parameters = parametersOf(route.path, request.path);
      const { query, bytes: body } = request;
      const { 'wechatpay-serial': serial } = request.headers;
      const call = { merchant, key, serial: serial?.toString(), parameters, query, body };
      return success(route.handle(call), key);
    } catch (error) {
      if (error instanceof PayFailure) return failure(error);
      throw error;
    }
  }

  /** Returns the refusal of a fault that a test has set. */
  refuse(code: string, suffix?: number): PlatformResponse {
    return failure(new PayFailure(code, { suffix }));
  }

  /** Returns the same response with a wrong signature. */
  tamper(response: PlatformResponse, how: NonNullable<Fault['tamper']>): PlatformResponse {
    const { body, headers, status } = response;
    const key = this.keyOf(response);
    if (!key) return response;
    if (how === 'body')
      return new PlatformResponse(Buffer.concat([body, Buffer.from(' ')]), headers, status);
    const wrong = {
      signature: () => signatureHeaders(key, Buffer.from('other bytes')),
      stale: () => signatureHeaders(key, body, Date.now() - STALE_MS),
      unsigned: () => ({}),
    };
    const unsigned = Object.entries(headers).filter(([name]) => !name.startsWith('Wechatpay-'));
    return new PlatformResponse(body, { ...Object.fromEntries(unsigned), ...wrong[how]() }, status);
  }

  /** Returns the same response with other JSON. A signed response is signed again. */
  rewrite(response: PlatformResponse, json: unknown): PlatformResponse {
    const body = Buffer.from(JSON.stringify(json));
    const key = this.keyOf(response);
    const headers = { ...response.headers, ...(key && signatureHeaders(key, body)) };
    return new PlatformResponse(body, headers, response.status);
  }

  /** The key that signed a response. */
  private keyOf({ headers }: PlatformResponse): PlatformKey | undefined {
    const id = headers['Wechatpay-Serial'];
    if (id === undefined) return undefined;
    return this.pay.merchants
      .map((merchant) => merchant.platformKey(id))
      .find((key) => key !== undefined);
  }
}

function orderRoutes({ orderBook }: WechatPay): PayRoute[] {
  return [
    {
      method: 'POST',
      path: `${TRANSACTIONS}/jsapi`,
      handle: ({ merchant, body }) => orderBook.prepay(merchant, parseBody('jsapi', body)),
    },
    {
      method: 'POST',
      path: `${TRANSACTIONS}/native`,
      handle: ({ merchant, body }) => orderBook.native(merchant, parseBody('native', body)),
    },
    {
      method: 'GET',
      path: `${TRANSACTIONS}/out-trade-no/:no`,
      handle: (call) => shown(call, orderBook.find(call.merchant, call.parameters[0]!)),
    },
    {
      method: 'GET',
      path: `${TRANSACTIONS}/id/:id`,
      handle: (call) =>
        shown(call, orderBook.findByTransaction(call.merchant, call.parameters[0]!)),
    },
    {
      method: 'POST',
      path: `${TRANSACTIONS}/out-trade-no/:no/close`,
      handle({ merchant, parameters, body }) {
        requireOwn(merchant, parseBody('close', body).mchid, 'body');
        orderBook.close(merchant, outTradeNo(parameters[0]!));
        return undefined;
      },
    },
  ];
}

function refundRoutes({ refundBook }: WechatPay): PayRoute[] {
  return [
    {
      method: 'POST',
      path: REFUNDS,
      handle: ({ merchant, body }) =>
        refundBook.create(merchant, parseBody('refund', body)).resource(),
    },
    {
      method: 'GET',
      path: `${REFUNDS}/:no`,
      handle({ merchant, parameters }) {
        const refund = refundBook.find(merchant, parameters[0]!);
        if (!refund) throw new PayFailure('RESOURCE_NOT_EXISTS', { message: '退款单不存在' });
        return refund.resource();
      },
    },
    {
      method: 'POST',
      path: `${REFUNDS}/:id/apply-abnormal-refund`,
      handle(call) {
        const body = parseBody('abnormalRefund', call.body);
        const refund = refundBook.findById(call.merchant, call.parameters[0]!);
        if (refund?.outRefundNo !== body.out_refund_no)
          throw new PayFailure('RESOURCE_NOT_EXISTS', { message: '退款单不存在' });
        if (body.type === 'USER_BANK_CARD' && !(body.bank_account && body.real_name))
          throw fieldFailure('/bank_account', undefined, 'and real_name are required');
        decrypt(call, '/bank_account', body.bank_account);
        decrypt(call, '/real_name', body.real_name);
        if (refund.status !== 'ABNORMAL')
          throw new PayFailure('INVALID_REQUEST', { message: '该退款单不是退款异常状态' });
        refundBook.retryAbnormal(refund);
        return refund.resource();
      },
    },
  ];
}

function securityRoutes(pay: WechatPay): PayRoute[] {
  return [
    {
      method: 'GET',
      path: '/v3/certificates',
      handle({ merchant }) {
        const data = merchant.encryptedCertificates();
        if (data.length === 0)
          throw new PayFailure('RESOURCE_NOT_EXISTS', {
            message: '无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥',
          });
        return { data };
      },
    },
    {
      method: 'POST',
      path: '/v3/security/echo',
      handle(call) {
        const { echo_message, encrypted_message, notify_url } = parseBody('echo', call.body);
        if (call.serial === undefined)
          throw fieldFailure('Wechatpay-Serial', undefined, 'is required', undefined, 'header');
        decrypt(call, '/encrypted_message', encrypted_message);
        if (notify_url !== undefined)
          void pay.notifyOf(call.merchant, 'SECURITY.ECHO', notify_url, { echo_message });
        return { echo_message };
      },
    },
  ];
}

function billRoutes({ bills }: WechatPay): PayRoute[] {
  return [
    {
      method: 'GET',
      path: '/v3/bill/tradebill',
      handle: ({ merchant, query }) => bills.request(merchant, query),
    },
    {
      method: 'GET',
      path: '/v3/billdownload/file',
      handle: ({ merchant, query }) => bills.download(merchant, query['token']),
    },
  ];
}

/** Checks that a sensitive field decrypts with the key of `Wechatpay-Serial`. */
function decrypt({ key, serial }: PayCall, field: string, ciphertext: string | undefined): void {
  if (ciphertext === undefined) return;
  if (serial === undefined)
    throw fieldFailure('Wechatpay-Serial', undefined, 'is required', undefined, 'header');
  try {
    const options = { key: key.pair.privateKey, padding: RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };
    privateDecrypt(options, Buffer.from(ciphertext, 'base64'));
  } catch {
    throw fieldFailure(field, undefined, '敏感信息解密失败');
  }
}

function shown({ merchant, query }: PayCall, order: OrderRecord | undefined): object {
  requireOwn(merchant, query['mchid'], 'query');
  if (!order) throw new PayFailure('ORDER_NOT_EXIST');
  return order.transaction();
}

function requireOwn(merchant: PayMerchant, mchId: string | undefined, location: string): void {
  if (mchId !== merchant.mchId)
    throw fieldFailure(
      '/mchid',
      mchId,
      'http header中的mchid与请求中的mchid不匹配',
      undefined,
      location,
    );
}

function outTradeNo(number: string): string {
  if (/^[0-9A-Za-z_\-|*]{6,32}$/.test(number)) return number;
  throw fieldFailure('/out_trade_no', number, 'must match its pattern', undefined, 'path');
}

/** Signed, unless it is a file. */
function success(json: object | Buffer | undefined, key: PlatformKey): PlatformResponse {
  if (Buffer.isBuffer(json))
    return new PlatformResponse(json, {
      'Content-Type': 'text/plain',
      'Request-ID': newRequestId(0),
    });
  const body = Buffer.from(json ? JSON.stringify(json) : '');
  return new PlatformResponse(
    body,
    { ...commonHeaders(0), ...signatureHeaders(key, body) },
    json ? 200 : 204,
  );
}

/** `{code, message, detail?}`, without a signature. */
function failure({ status, code, message, detail, suffix }: PayFailure): PlatformResponse {
  const body = Buffer.from(JSON.stringify({ code, message, detail }));
  return new PlatformResponse(body, commonHeaders(suffix), status);
}

const commonHeaders = (suffix: number): Record<string, string> => ({
  'Content-Type': 'application/json; charset=utf-8',
  'Request-ID': newRequestId(suffix),
});

/** 404 and 405 have no body. */
const bare = (status: number): PlatformResponse =>
  new PlatformResponse(Buffer.alloc(0), { 'Request-ID': newRequestId(0) }, status);

function matches(pattern: string, path: string): boolean {
  const parts = path.split('/');
  const patternParts = pattern.split('/');
  return (
    parts.length === patternParts.length &&
    patternParts.every((part, i) => (part.startsWith(':') ? parts[i] !== '' : part === parts[i]))
  );
}

function parametersOf(pattern: string, path: string): string[] {
  const parts = path.split('/');
  return pattern
    .split('/')
    .flatMap((part, i) => (part.startsWith(':') ? [decoded(parts[i]!)] : []));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw fieldFailure('path', part, 'is not percent-encoded', undefined, 'path');
  }
}
