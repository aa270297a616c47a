import { Ajv, type ErrorObject, type Schema, type ValidateFunction } from 'ajv';
import { PayFailure } from './pay-failure.js';

const text = (maxLength: number): object => ({ type: 'string', minLength: 1, maxLength });
const optionalText = (maxLength: number): object => ({ type: 'string', maxLength });
const matching = (pattern: string): object => ({ type: 'string', pattern });
const object = (properties: object, required: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

const FEN = { type: 'integer', minimum: 1, maximum: 100_000_000_000 };
const AMOUNT_OF_NOTHING = { ...FEN, minimum: 0 };
const CNY = { const: 'CNY' };
const OUT_TRADE_NO = matching(String.raw`^[0-9A-Za-z_\-|*]{6,32}$`);
const OUT_REFUND_NO = matching(String.raw`^[0-9A-Za-z_\-|*@]{1,64}$`);
/** RFC 3339 with a zone. */
const TIME = matching(String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`);
/** Without a query. */
const notifyUrl = (maxLength: number): object => ({
  type: 'string',
  maxLength,
  pattern: String.raw`^https?://[^?#\s]+$`,
});

const goods = (names: object): object => ({
  type: 'array',
  maxItems: 6000,
  items: object({ merchant_goods_id: text(32), wechatpay_goods_id: optionalText(32), ...names }),
});

/** The fields of every order. */
const ORDER = {
  appid: text(32),
  mchid: text(32),
  description: text(127),
  out_trade_no: OUT_TRADE_NO,
  time_expire: TIME,
  attach: optionalText(128),
  notify_url: notifyUrl(255),
  goods_tag: optionalText(32),
  support_fapiao: { type: 'boolean' },
  amount: object({ total: FEN, currency: CNY }, ['total']),
  detail: object({
    cost_price: AMOUNT_OF_NOTHING,
    invoice_id: optionalText(32),
    goods_detail: goods({
      goods_name: optionalText(256),
      quantity: FEN,
      unit_price: AMOUNT_OF_NOTHING,
    }),
  }),
  scene_info: object(
    {
      payer_client_ip: text(45),
      device_id: optionalText(32),
      store_info: object(
        {
          id: text(32),
          name: optionalText(256),
          area_code: optionalText(32),
          address: optionalText(512),
        },
        ['id'],
      ),
    },
    ['payer_client_ip'],
  ),
  settle_info: object({ profit_sharing: { type: 'boolean' } }),
  limit_pay: { type: 'array', items: { enum: ['no_credit', 'no_debit', 'no_balance'] } },
};
const REQUIRED_OF_ORDER = [
  'appid',
  'mchid',
  'description',
  'out_trade_no',
  'notify_url',
  'amount',
] as const;

/** The schemas of all request bodies. */
const SCHEMAS = {
  jsapi: object({ ...ORDER, payer: object({ openid: text(128) }, ['openid']) }, [
    ...REQUIRED_OF_ORDER,
    'payer',
  ]),
  native: object(ORDER, REQUIRED_OF_ORDER),
  close: object({ mchid: text(32) }, ['mchid']),
  refund: object(
    {
      transaction_id: text(32),
      out_trade_no: OUT_TRADE_NO,
      out_refund_no: OUT_REFUND_NO,
      reason: optionalText(80),
      notify_url: notifyUrl(256),
      funds_account: { enum: ['AVAILABLE', 'UNSETTLED'] },
      amount: object(
        {
          refund: FEN,
          total: FEN,
          currency: CNY,
          from: {
            type: 'array',
            items: object({ account: { enum: ['AVAILABLE', 'UNAVAILABLE'] }, amount: FEN }, [
              'account',
              'amount',
            ]),
          },
        },
        ['refund', 'total', 'currency'],
      ),
      goods_detail: goods({
        goods_name: optionalText(256),
        unit_price: AMOUNT_OF_NOTHING,
        refund_amount: AMOUNT_OF_NOTHING,
        refund_quantity: FEN,
      }),
    },
    ['out_refund_no', 'amount'],
  ),
  abnormalRefund: object(
    {
      out_refund_no: OUT_REFUND_NO,
      type: { enum: ['USER_BANK_CARD', 'MERCHANT_BANK_CARD'] },
      bank_type: optionalText(16),
      bank_account: optionalText(1024),
      real_name: optionalText(1024),
    },
    ['out_refund_no', 'type'],
  ),
  echo: object(
    {
      echo_message: text(1024),
      encrypted_message: optionalText(1024),
      notify_url: notifyUrl(255),
    },
    ['echo_message'],
  ),
} satisfies Record<string, Schema>;

/** The body of an order. */
export interface OrderBody {
  appid: string;
  mchid: string;
  description: string;
  out_trade_no: string;
  time_expire?: string;
  attach?: string;
  notify_url: string;
  amount: { total: number; currency?: string };
  /** Absent in a Native order: anyone may scan its code. */
  payer?: { openid: string };
}

/** The body of a refund. */
export interface RefundBody {
  transaction_id?: string;
  out_trade_no?: string;
  out_refund_no: string;
  reason?: string;
  notify_url?: string;
  funds_account?: string;
  amount: { refund: number; total: number; currency: string };
}

interface Bodies {
  jsapi: OrderBody;
  native: OrderBody;
  close: { mchid: string };
  refund: RefundBody;
  abnormalRefund: {
    out_refund_no: string;
    type: 'USER_BANK_CARD' | 'MERCHANT_BANK_CARD';
    bank_type?: string;
    bank_account?: string;
    real_name?: string;
  };
  echo: { echo_message: string; encrypted_message?: string; notify_url?: string };
}

const validators = new Map<string, ValidateFunction>();

function validatorOf(name: keyof Bodies): ValidateFunction {
  const validator = validators.get(name) ?? new Ajv({ verbose: true }).compile(SCHEMAS[name]);
  validators.set(name, validator);
  return validator;
}

/**
 * Parses and checks the JSON body of a call, as WeChat does.
 *
 * @throws PayFailure PARAM_ERROR, with the field in `detail`
 */
export function parseBody<Name extends keyof Bodies>(name: Name, body: Buffer): Bodies[Name] {
  const json = parseJson(body);
  refuseText(json, '');
  const validate = validatorOf(name);
  if (validate(json)) return json as Bodies[Name];
  throw parameterFailure(validate.errors![0]!);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new PayFailure('PARAM_ERROR', { message: '请求体不是UTF-8编码的JSON' });
  }
}

/** Refuses `null` and characters of more than three bytes in UTF-8 (such as emoji) at every depth. */
function refuseText(value: unknown, field: string): void {
  if (value === null) throw fieldFailure(field, value, 'must not be null', 268435461);
  if (typeof value === 'string' && /[\u{10000}-\u{10FFFF}]/u.test(value))
    throw fieldFailure(field, value, 'has a character of more than 3 bytes in UTF-8', 268435461);
  if (typeof value === 'object')
    for (const [name, inner] of Object.entries(value)) refuseText(inner, `${field}/${name}`);
}

const SUFFIX_OF_KEYWORD: Readonly<Record<string, number>> = {
  additionalProperties: 270924358,
  maxLength: 268435464,
  minimum: 268435464,
  maximum: 268435464,
  maxItems: 268435464,
};

function parameterFailure({
  keyword,
  instancePath,
  params,
  message,
  data,
}: ErrorObject): PayFailure {
  const name = (params as Record<string, unknown>)[
    keyword === 'required' ? 'missingProperty' : 'additionalProperty'
  ];
  const field = typeof name === 'string' ? `${instancePath}/${name}` : instancePath;
  const noOpenid = keyword === 'required' && /^\/payer(\/openid)?$/.test(field);
  const suffix = noOpenid ? 268501013 : (SUFFIX_OF_KEYWORD[keyword] ?? 268435461);
  return fieldFailure(field, typeof data === 'object' ? undefined : data, message ?? '', suffix);
}

/** `detail` as WeChat writes it. */
export function fieldFailure(
  field: string,
  value: unknown,
  issue: string,
  suffix = 268435461,
  location = 'body',
): PayFailure {
  return new PayFailure('PARAM_ERROR', {
    message: `参数错误：${field} ${issue}`,
    suffix,
    detail: { field, value, issue, location },
  });
}
