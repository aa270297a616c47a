/** WeChat Pay's refusal: an HTTP status with `{code, message, detail?}`, unsigned. */
export class PayFailure extends Error {
  override readonly name = 'PayFailure';
  readonly status: number;
  /** The digits after the last `-` of `Request-ID`. */
  readonly suffix: number;
  readonly detail?: object;

  constructor(
    readonly code: string,
    {
      message,
      status,
      suffix,
      detail,
    }: { message?: string; status?: number; suffix?: number; detail?: object } = {},
  ) {
    const usual = USUAL[code] ?? UNKNOWN;
    super(message ?? usual.message);
    this.status = status ?? usual.status;
    this.suffix = suffix ?? usual.suffix;
    this.detail = detail;
  }
}

interface Usual {
  status: number;
  message: string;
  suffix: number;
}

const usual = (status: number, message: string, suffix = 268435461): Usual => ({
  status,
  message,
  suffix,
});

const UNKNOWN = usual(400, '请求失败');

/** Status, text and `Request-ID` suffix of each code. Never compare the texts: WeChat changes them. */
const USUAL: Readonly<Record<string, Usual>> = {
  USER_PAYING: usual(202, '用户支付中，需要输入密码', 268435472),
  PARAM_ERROR: usual(400, '参数错误'),
  INVALID_REQUEST: usual(400, '请求参数符合参数格式，但不符合业务规则', 268435464),
  APPID_MCHID_NOT_MATCH: usual(400, 'appid和mch_id不匹配', 268445527),
  MCH_NOT_EXISTS: usual(400, '商户号不存在', 268443715),
  ORDER_CLOSED: usual(400, '该订单已关闭', 268447914),
  ORDERPAID: usual(400, '该订单已支付', 268498689),
  ORDER_PAID: usual(400, '该订单已支付', 268449538),
  NO_STATEMENT_EXIST: usual(400, '账单文件不存在'),
  STATEMENT_CREATING: usual(400, '账单生成中'),
  SIGN_ERROR: usual(401, '签名错误', 268443699),
  NO_AUTH: usual(403, '商户无此接口权限', 268443701),
  OUT_TRADE_NO_USED: usual(403, '商户订单号重复', 268498688),
  RULE_LIMIT: usual(403, '业务规则限制', 268448010),
  TRADE_ERROR: usual(403, '交易错误'),
  ACCOUNT_ERROR: usual(403, '账号异常'),
  NOT_ENOUGH: usual(403, '余额不足'),
  USER_ACCOUNT_ABNORMAL: usual(403, '退款请求失败，用户账户异常或注销'),
  ORDER_NOT_EXIST: usual(404, '订单不存在', 268512771),
  RESOURCE_NOT_EXISTS: usual(404, '查询的资源不存在'),
  NOT_FOUND: usual(404, '请求的资源不存在'),
  FREQUENCY_LIMITED: usual(429, '频率超限', 268447840),
  RATELIMIT_EXCEEDED: usual(429, '频率超限', 268447840),
  SYSTEM_ERROR: usual(500, '系统异常，请稍后重试'),
  BANK_ERROR: usual(500, '银行系统异常'),
  INVALID_TRANSACTIONID: usual(500, '订单号非法'),
  OPENID_MISMATCH: usual(500, 'openid和appid不匹配'),
};

/** The codes that a test can set as a fault. */
export const PAY_CODES = Object.keys(USUAL);
