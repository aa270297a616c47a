/** A refusal of WeChat. The platform sends it as `{errcode, errmsg}` with HTTP 200, as WeChat does for every business error. */
export class WechatFailure extends Error {
  override readonly name = 'WechatFailure';

  constructor(
    readonly errcode: number,
    /** Replaces the usual text of this errcode, for texts that contain a value. */
    readonly text: string = errmsgOf(errcode),
  ) {
    super(`${errcode} ${text}`);
  }
}

/** Returns WeChat's text for an errcode, without the rid that every response adds. Do not compare these texts: WeChat changes them. */
export function errmsgOf(errcode: number): string {
  return ERRMSG[errcode] ?? 'system error';
}

const ERRMSG: Record<number, string> = {
  [-1]: 'system error',
  0: 'ok',
  40001:
    'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r',
  40002: 'invalid grant_type',
  40003: 'invalid openid',
  40013: 'invalid appid',
  40014: 'invalid access_token',
  40029: 'invalid code',
  40030: 'invalid refresh_token',
  40097: 'invalid args',
  40125: 'invalid appsecret',
  40129: 'invalid scene',
  40159: 'invalid length for path, or the data is not json string',
  40163: 'code been used',
  40164: 'invalid ip, not in whitelist',
  40169: 'invalid length for scene, or the data is not json string',
  40226: 'code blocked',
  40243: 'appsecret is frozen',
  41001: 'access_token missing',
  41002: 'appid missing',
  41003: 'refresh_token missing',
  41004: 'appsecret missing',
  41008: 'missing code',
  41009: 'missing openid',
  41030: 'invalid page',
  42001: 'access_token expired',
  42002: 'refresh_token expired',
  43001: 'require GET method',
  43002: 'require POST method',
  44002: 'empty post data',
  45009: 'reach max api daily quota limit',
  45011: 'api minute-quota reach limit, must slower, retry next minute',
  45029: 'qrcode count out of limit',
  47001: 'data format error',
  48001: 'api unauthorized',
  48006: 'forbid to clear quota because of reaching the limit',
  76001: 'rid not found',
  76002: 'invalid rid',
  76003: 'rid not belong to this account',
  76004: 'rid expired',
  76021: 'cgi_path not found',
  76022: 'could not use this cgi_path, no permission',
  85096: 'not allow include scancode_time field',
  87008: 'invalid sig_method',
  87009: 'invalid signature',
};
