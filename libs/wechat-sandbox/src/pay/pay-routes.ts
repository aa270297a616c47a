import { PlatformResponse } from '../transport/response.js';
import type { PlatformRequest } from '../transport/request.js';
import { authenticate } from './authorization.js';
import { fieldFailure, parseBody } from './body-schemas.js';
import type { PayMerchant, PlatformKey } from './merchant.js';
import type { OrderRecord } from './order.js';
import { PayFailure } from './pay-failure.js';
import { newRequestId, signatureHeaders } from './signing.js';
import type { WechatPay } from './wechat-pay.js';

/** A call whose headers, age and signature are right. */
interface PayCall {
  merchant: PayMerchant;
  /** Signs the response. */
  key: PlatformKey;
  /** The variable parts of the path, in their order. */
  parameters: readonly string[];
  query: Readonly<Record<string, string>>;
  body: Buffer;
}

interface PayRoute {
  method: 'GET' | 'POST';
  /** `:name` is any one segment. */
  path: string;
  /** Returns the JSON of a 200, or nothing for a 204. */
  handle(call: PayCall): object | undefined;
}

/** Whether a path belongs to WeChat Pay. */
export const isPayPath = (path: string): boolean => path.startsWith('/v3/');

const TRANSACTIONS = '/v3/pay/transactions';

/** The API of WeChat Pay: `https://api.mch.weixin.qq.com`. */
export class PayRoutes {
  private readonly routes: readonly PayRoute[];

  constructor(private readonly pay: WechatPay) {
    this.routes = orderRoutes(pay);
  }

  /** The paths with their variable parts as `:name`. */
  get paths(): string[] {
    return this.routes.map(({ path }) => path);
  }

  /** The path of the route that a request meets: `/v3/pay/transactions/id/:id`. */
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
      return success(route.handle({ merchant, key, parameters, query, body }), key);
    } catch (error) {
      if (error instanceof PayFailure) return failure(error);
      throw error;
    }
  }

  /** The same response with other JSON; a signed one is signed again. */
  rewrite(response: PlatformResponse, json: unknown): PlatformResponse {
    const body = Buffer.from(JSON.stringify(json));
    const id = response.headers['Wechatpay-Serial'];
    const keys = this.pay.merchants.map((merchant) => id && merchant.platformKey(id));
    const key = keys.find((one) => typeof one === 'object');
    const headers = { ...response.headers, ...(key && signatureHeaders(key, body)) };
    return new PlatformResponse(body, headers, response.status);
  }
}

function orderRoutes({ orderBook }: WechatPay): PayRoute[] {
  return [
    {
      method: 'POST',
      path: `${TRANSACTIONS}/jsapi`,
      handle: ({ merchant, body }) => orderBook.prepay(merchant, parseBody('prepay', body)),
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

function success(json: object | undefined, key: PlatformKey): PlatformResponse {
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
  const wanted = pattern.split('/');
  return (
    parts.length === wanted.length &&
    wanted.every((part, i) => (part.startsWith(':') ? parts[i] !== '' : part === parts[i]))
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
