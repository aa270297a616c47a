import { SandboxError } from './sandbox-error.js';

/** The page 消息推送 in the console of a mini program. */
export interface PushOptions {
  /** The URL for pushes: http with a loopback host. */
  url: string;
  /** Token (令牌): 3 to 32 letters and digits. */
  token: string;
  /** EncodingAESKey (消息加密密钥): 43 letters and digits. Required by `secure` and `compatible`. */
  aesKey?: string;
  /** 明文, 兼容 or 安全模式. `compatible` sends the clear message together with the encrypted one. @default 'secure' with an aesKey, else 'plain' */
  mode?: 'plain' | 'compatible' | 'secure';
  /** 数据格式. @default 'json' */
  format?: 'json' | 'xml';
}

/** {@link PushOptions} with their defaults. */
export type PushConfig = Readonly<Required<Omit<PushOptions, 'aesKey'>> & { aesKey?: string }>;

/**
 * A message or event with WeChat's own names: `{ MsgType: 'event', Event: 'debug_demo', debug_str: 'hello' }`. It is sent as given,
 * so a `List` of one item is an object or an array, and a long id is a bigint (a JSON number) or a text.
 */
export type PushContent = Readonly<Record<string, unknown>>;

/** Sends the events that other parts of the platform cause. */
export interface PushEmitter {
  /**
   * Starts a push. Does nothing for an app without push. `ToUserName`, `FromUserName`, `CreateTime` and `MsgId` have defaults.
   * Resolves after the first attempt.
   */
  emit(appId: string, message: PushContent): Promise<void>;
}

/** Fills in the defaults, or throws a SandboxError that names the app and the field. */
export function pushConfig(appId: string, options: PushOptions): PushConfig {
  const { url, token, aesKey, mode = aesKey ? 'secure' : 'plain', format = 'json' } = options;
  const require = (isValid: boolean, problem: string): void => {
    if (!isValid) throw new SandboxError(`push of ${appId}: ${problem}.`);
  };
  require(URL.canParse(url), 'url must be an absolute URL');
  require(/^[0-9A-Za-z]{3,32}$/.test(token), 'token must be 3 to 32 letters and digits');
  require(aesKey === undefined ||
    /^[0-9A-Za-z]{43}$/.test(aesKey), 'aesKey must be 43 letters and digits');
  require(['plain', 'compatible', 'secure'].includes(
    mode,
  ), 'mode must be plain, compatible or secure');
  require(mode === 'plain' || aesKey !== undefined, `mode ${mode} needs an aesKey`);
  require(['json', 'xml'].includes(format), 'format must be json or xml');
  return { url, token, mode, format, ...(aesKey !== undefined && { aesKey }) };
}
