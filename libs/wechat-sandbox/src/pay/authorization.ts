import type { PlatformRequest } from '../transport/request.js';
import { unixSeconds } from '../world/clock.js';
import { fieldFailure } from './body-schemas.js';
import type { PayMerchant } from './merchant.js';
import { PayFailure } from './pay-failure.js';
import { lines, rsaVerify, type PlatformKey } from './signing.js';

const SCHEME = 'WECHATPAY2-SHA256-RSA2048';
/** The maximum age of a request's timestamp in seconds of real time. */
const TOLERANCE = 300;

/** The fields of `Authorization`. */
interface Authorization {
  mchid: string;
  nonce_str: string;
  signature: string;
  timestamp: string;
  serial_no: string;
}

/** The merchant that calls, and the key that signs the response. */
export interface Caller {
  merchant: PayMerchant;
  key: PlatformKey;
}

/**
 * Checks headers, age and signature, in WeChat's order and before the parameters.
 *
 * @throws PayFailure
 */
export function authenticate(request: PlatformRequest, merchants: readonly PayMerchant[]): Caller {
  checkHeaders(request);
  const authorization = parseAuthorization(request);
  checkAge(authorization);
  const merchant = merchants.find(({ mchId }) => mchId === authorization.mchid);
  if (!merchant)
    throw new PayFailure('MCH_NOT_EXISTS', { status: isOrderCall(request) ? 400 : 404 });
  if (authorization.serial_no.toUpperCase() !== merchant.certificateSerial)
    throw signError('商户证书序列号有误。请使用签名私钥匹配的证书序列号', 'serial_no');
  checkSignature(request, authorization, merchant);
  return { merchant, key: responseKey(request, merchant) };
}

const isOrderCall = ({ path }: PlatformRequest): boolean => path.startsWith('/v3/pay/transactions');

/** WeChat does not require these headers for `/v3/pay/transactions`. */
function checkHeaders(request: PlatformRequest): void {
  const { accept, 'user-agent': userAgent } = request.headers;
  if (!isOrderCall(request) && !(accept && userAgent))
    throw new PayFailure('INVALID_REQUEST', { message: 'Http头缺少Accept或User-Agent' });
}

function parseAuthorization(request: PlatformRequest): Authorization {
  const [scheme, rest] = splitOnce(request.headers.authorization ?? '');
  if (scheme && rest && scheme !== SCHEME)
    throw signError('HTTP头Authorization认证类型不正确', 'authorization');
  const fields = new Map(
    [...(rest ?? '').matchAll(/(\w+)="([^"]*)"(?:,|$)/g)].map(([, name, value]) => [name, value]),
  );
  const get = (name: string): string => {
    const value = fields.get(name);
    if (!value) throw malformed(request);
    return value;
  };
  const authorization = {
    mchid: get('mchid'),
    nonce_str: get('nonce_str'),
    signature: get('signature'),
    timestamp: get('timestamp'),
    serial_no: get('serial_no'),
  };
  if (!/^\d{1,12}$/.test(authorization.timestamp)) throw malformed(request);
  return authorization;
}

function splitOnce(header: string): [string, string | undefined] {
  const space = header.indexOf(' ');
  return space === -1 ? [header, undefined] : [header.slice(0, space), header.slice(space + 1)];
}

const malformed = (request: PlatformRequest): PayFailure =>
  signError(
    isOrderCall(request)
      ? '签名信息错误，验签失败'
      : 'Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》',
    'authorization',
  );

function checkAge({ timestamp }: Authorization): void {
  if (Math.abs(unixSeconds(Date.now()) - Number(timestamp)) > TOLERANCE)
    throw signError('Http头Authorization中的timestamp与发起请求的时间不得超过5分钟', 'timestamp');
}

function checkSignature(
  { method, url, bytes }: PlatformRequest,
  { timestamp, nonce_str, signature }: Authorization,
  merchant: PayMerchant,
): void {
  const message = lines(method, url, timestamp, nonce_str, bytes);
  if (rsaVerify(message, signature, merchant.ownKeys.publicKey)) return;
  const truncated = lines(method, url, timestamp, nonce_str).toString('utf8');
  throw signError('错误的签名，验签失败', 'signature', {
    sign_information: {
      method,
      url,
      truncated_sign_message: `${truncated}${bytes.subarray(0, 16).toString('utf8')}`,
      sign_message_length: message.length,
    },
  });
}

const signError = (message: string, field: string, more: object = {}): PayFailure =>
  new PayFailure('SIGN_ERROR', {
    message,
    detail: { field, issue: message, location: 'authorization', ...more },
  });

/** The key that `Wechatpay-Serial` names. */
function responseKey({ headers }: PlatformRequest, merchant: PayMerchant): PlatformKey {
  const id = headers['wechatpay-serial'];
  if (id === undefined) return merchant.usualKey;
  const key = merchant.platformKey(String(id));
  if (key) return key;
  throw fieldFailure(
    'Wechatpay-Serial',
    id,
    '微信支付公钥ID或平台证书序列号有误',
    undefined,
    'header',
  );
}
