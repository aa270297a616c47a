import { createPrivateKey, createPublicKey, createSecretKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { parseDuration } from '../duration.js';
import type { Duration } from '../duration.js';
import { ENV_FILE_HINT } from '../env-file-hint.js';
import { hideSecrets } from '../hide-secrets.js';
import { OptionProblems, readSafeUrl } from '../option-problems.js';
import type { WechatStore } from '../store/wechat.store.js';
import { WechatConfigError } from '../wechat.errors.js';
import type { WechatModuleOptions } from '../wechat.options.js';
import { API_V3_KEY_BYTES } from './pay.resource.js';
import type { PayVerificationKey } from './pay.signature.js';

/**
 * The options of WechatPayModule.
 *
 * @experimental
 * @example
 * ```ts
 * const options: WechatPayOptions = { mchId, certificateSerial, privateKey, apiV3Key, publicKeys: [{ id, pem }], notify: { url } };
 * ```
 */
export interface WechatPayOptions {
  /** The merchant id, 8 to 10 digits. */
  mchId: string;
  /** The serial number of the merchant's API certificate, 40 hexadecimal digits. Default: read from `certificate`. */
  certificateSerial?: string;
  /** The merchant's API certificate (`apiclient_cert.pem`). */
  certificate?: string;
  /** The merchant's private key (`apiclient_key.pem`). */
  privateKey: string;
  /** The APIv3 key, 32 bytes. */
  apiV3Key: string;
  /** The app of a prepay that names none. @default the first mini program of WechatModule */
  appId?: string;
  /** WeChat Pay's public keys (微信支付公钥). The first is requested with every call; all of them verify. */
  publicKeys?: PayVerificationKey[];
  /** Platform certificates (平台证书). @default 'off' with a public key, else 'download' */
  platformCertificates?: 'download' | 'off';
  notify: {
    /** Where WeChat Pay sends its notifications: https with a path and without a query. */
    url: string;
    /** The path on this server, if a proxy rewrites it; `false` mounts nothing. @default the path of the URL */
    path?: string | false;
  };
  api?: {
    /** Plain http is accepted for loopback only. @default 'https://api.mch.weixin.qq.com' */
    baseUrl?: string;
    /** All calls of one operation together, retries included. @default '5s' */
    timeout?: Duration;
  };
  /** As in WechatModule. @default the store of WechatModule, else memory */
  redis?: WechatModuleOptions['redis'];
  /** Your own store, instead of redis. */
  store?: WechatStore;
  /** Milliseconds since 1970, for the expiry of orders; for tests. Signatures always carry real time. */
  clock?: () => number;
}

export const PAY_BASE_URL = 'https://api.mch.weixin.qq.com';

const MIN_RSA_BITS = 2048;
const MAX_NOTIFY_URL_LENGTH = 255;

/**
 * The options after validation. Keys are key objects, which print as nothing.
 *
 * @throws WechatConfigError with every problem of the options at once
 */
export class ResolvedPayOptions {
  readonly mchId: string;
  readonly certificateSerial: string;
  readonly privateKey: KeyObject;
  readonly apiV3Key: KeyObject;
  readonly appId?: string;
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  readonly downloadsCertificates: boolean;
  readonly notifyUrl: string;
  /** `undefined`: nothing is mounted. */
  readonly notifyPath?: string;
  readonly baseUrl: string;
  readonly timeoutMs: number;
  readonly redis?: WechatModuleOptions['redis'];
  readonly store?: WechatStore;
  readonly clock: () => number;

  /** @param nameOf how a problem names an option; the environment names the variable */
  constructor(options: WechatPayOptions, nameOf: (option: string) => string = (option) => option) {
    if ([options.mchId, options.privateKey, options.apiV3Key].every((one) => one === undefined))
      throw new WechatConfigError([
        `mchId, privateKey and apiV3Key are missing: if they come from wechatPayOptionsFromEnv, no WECHAT_PAY_ variable is set. ${ENV_FILE_HINT}`,
      ]);
    const check = new Problems(nameOf);
    const { publicKeys = [], notify, api } = options;
    this.mchId = check.mchId(options.mchId);
    const privateKey = check.privateKey(options.privateKey);
    this.privateKey = privateKey as KeyObject;
    this.certificateSerial = check.certificateSerial(options, privateKey);
    this.apiV3Key = check.apiV3Key(options.apiV3Key);
    this.publicKeys = check.publicKeys(publicKeys, privateKey);
    this.downloadsCertificates = check.downloadsCertificates(
      options.platformCertificates ?? (publicKeys.length > 0 ? 'off' : 'download'),
      publicKeys.length > 0,
    );
    this.notifyUrl = check.notifyUrl(notify?.url);
    this.notifyPath = check.notifyPath(notify?.path, notify?.url);
    this.baseUrl = check.baseUrl(api?.baseUrl ?? PAY_BASE_URL);
    this.timeoutMs = check.timeout(api?.timeout ?? '5s');
    this.appId = options.appId;
    this.redis = options.redis;
    this.store = options.store;
    this.clock = options.clock ?? Date.now;
    check.expect(
      !(options.redis && options.store),
      'redis',
      'and store exclude each other: pass one of them',
    );
    check.throwIfAny();
  }

  /** The store or the Redis client can hold secrets. */
  [inspect.custom](): string {
    return `ResolvedPayOptions { mchId: '${this.mchId}' }`;
  }

  toJSON(): object {
    return { mchId: this.mchId };
  }
}

/** Returns a copy of the options that does not print its secrets. The module is imported without options if Pay is off. */
export function withHiddenPaySecrets<Options extends WechatPayOptions | undefined>(
  options: Options,
): Options {
  return options && hideSecrets({ ...options }, 'privateKey', 'apiV3Key', 'redis', 'store');
}

/** Checks the options, and returns them in the form that `ResolvedPayOptions` has. */
class Problems extends OptionProblems {
  mchId(mchId: string): string {
    const isValid = typeof mchId === 'string' && /^\d{8,10}$/.test(mchId);
    this.expect(isValid, 'mchId', 'must be 8 to 10 digits');
    return mchId;
  }

  privateKey(pem: string): KeyObject | undefined {
    const key = readKey(() => createPrivateKey(pem));
    this.expect(
      isStrongRsa(key),
      'privateKey',
      `must be an RSA private key of at least ${MIN_RSA_BITS} bits, in PEM (apiclient_key.pem)`,
    );
    return key;
  }

  /** The serial number of the options, else that of the certificate. */
  certificateSerial(
    options: Pick<WechatPayOptions, 'certificate' | 'certificateSerial'>,
    privateKey: KeyObject | undefined,
  ): string {
    const certificate = readCertificate(options.certificate);
    const isReadable = certificate !== 'invalid';
    this.expect(isReadable, 'certificate', 'is not a certificate in PEM (apiclient_cert.pem)');
    const own = isReadable ? certificate : undefined;
    this.expect(
      !own || !privateKey || own.checkPrivateKey(privateKey),
      'certificate',
      'does not belong to the private key',
    );
    const serial = (options.certificateSerial ?? own?.serialNumber ?? '').toUpperCase();
    this.expect(
      /^[0-9A-F]{40}$/.test(serial) || !isReadable,
      'certificateSerial',
      'must be 40 hexadecimal digits, or pass the certificate',
    );
    this.expect(
      !own || serial === own.serialNumber,
      'certificateSerial',
      'is not the serial number of the certificate: leave one of them out',
    );
    return serial;
  }

  apiV3Key(text: string): KeyObject {
    this.expect(
      Buffer.byteLength(text ?? '') === API_V3_KEY_BYTES,
      'apiV3Key',
      `must have ${API_V3_KEY_BYTES} bytes`,
    );
    return createSecretKey(Buffer.from(text || 'invalid'));
  }

  publicKeys(
    publicKeys: PayVerificationKey[],
    privateKey: KeyObject | undefined,
  ): ReadonlyMap<string, KeyObject> {
    const merchantKey = privateKey && createPublicKey(privateKey);
    const keys = new Map<string, KeyObject>();
    publicKeys.forEach(({ id, pem }, i) => {
      this.expect(
        /^PUB_KEY_ID_\w+$/.test(id),
        `publicKeys[${i}].id`,
        'must begin with PUB_KEY_ID_',
      );
      const { key, problem } = readPublicKey(pem, merchantKey);
      this.report(`publicKeys[${i}].pem`, problem);
      if (key) keys.set(id, key);
    });
    return keys;
  }

  downloadsCertificates(
    platformCertificates: WechatPayOptions['platformCertificates'] & string,
    hasPublicKeys: boolean,
  ): boolean {
    this.expect(
      ['download', 'off'].includes(platformCertificates),
      'platformCertificates',
      'must be one of: download, off',
    );
    const downloads = platformCertificates === 'download';
    this.expect(
      downloads || hasPublicKeys,
      'publicKeys',
      'is needed if the platform certificates are off: nothing else verifies what WeChat Pay sends',
    );
    return downloads;
  }

  notifyUrl(text: string): string {
    const url = readSafeUrl(text);
    this.expect(
      url &&
        url.pathname !== '/' &&
        !url.search &&
        !url.hash &&
        text.length <= MAX_NOTIFY_URL_LENGTH,
      'notify.url',
      `must be an https URL (http for loopback only) with a path, without a query, of at most ${MAX_NOTIFY_URL_LENGTH} characters`,
    );
    return text;
  }

  /** Default: the path of the URL, as it is. */
  notifyPath(path: string | false | undefined, url: string): string | undefined {
    this.expect(
      !path || /^\/[\w./~-]+$/.test(path),
      'notify.path',
      'must be a path such as /wechat/pay/notify',
    );
    return (path ?? readSafeUrl(url)?.pathname) || undefined;
  }

  baseUrl(text: string): string {
    const baseUrl = text.replace(/\/+$/, '');
    const url = readSafeUrl(baseUrl);
    this.expect(
      url && url.pathname === '/' && !url.search,
      'api.baseUrl',
      'must be an https URL without a path (http for loopback only)',
    );
    return baseUrl;
  }

  timeout(duration: Duration): number {
    const timeoutMs = parseDuration(duration);
    this.expect(timeoutMs, 'api.timeout', "is not a duration such as '5s' or '500ms'");
    return timeoutMs ?? 0;
  }
}

function readKey(read: () => KeyObject): KeyObject | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function isStrongRsa(key: KeyObject | undefined): boolean {
  return (
    key?.asymmetricKeyType === 'rsa' &&
    (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS
  );
}

function readCertificate(pem: string | undefined): X509Certificate | 'invalid' | undefined {
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    return 'invalid';
  }
}

/** Each wrong file of the merchant console gets its own sentence. */
function readPublicKey(
  pem: string,
  merchantKey: KeyObject | undefined,
): { key?: KeyObject; problem?: string } {
  if (/PRIVATE KEY/.test(pem))
    return { problem: "holds a private key; it must be WeChat Pay's public key (pub_key.pem)" };
  if (/CERTIFICATE/.test(pem))
    return { problem: "holds a certificate; it must be WeChat Pay's public key (pub_key.pem)" };
  const key = readKey(() => createPublicKey(pem));
  if (!key || !isStrongRsa(key))
    return { problem: `must be an RSA public key of at least ${MIN_RSA_BITS} bits, in PEM` };
  if (merchantKey?.equals(key))
    return { problem: "is the merchant's own public key; download WeChat Pay's from the console" };
  return { key };
}
