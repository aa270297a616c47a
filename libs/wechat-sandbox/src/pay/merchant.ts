import { createHash, randomInt } from 'node:crypto';
import { SandboxError } from '../world/sandbox-error.js';
import { certificatePem, expiryOf } from './certificate.js';
import { keyPair, newSerial, privatePem, publicPem, type KeyPair } from './keys.js';
import { beijingTime, encryptResource, type PlatformKey } from './signing.js';

/** A merchant (商户号), as it is registered at WeChat Pay. All fields are optional. */
export interface PayMerchantOptions {
  /** 8 to 10 digits. @default generated */
  mchId?: string;
  /** The mini programs that are bound to this merchant. @default the first mini program of the sandbox */
  appIds?: readonly string[];
  /**
   * The keys with which WeChat signs: the public key (newer merchants), platform certificates (older ones), or both during the switch.
   * @default 'public-key'
   */
  verifyWith?: 'public-key' | 'certificates' | 'switching';
}

const MOST_MERCHANTS = 100;
/** The maximum number of platform certificates of a merchant. Each one needs a key pair. */
const MOST_CERTIFICATES = 5;

/** The variables that `merchant.env()` returns. */
export type PayEnv = Record<`WECHAT_PAY_${string}`, string>;

/** A merchant of the sandbox. Its keys are generated when they are first needed. */
export class PayMerchant {
  readonly mchId: string;
  readonly appIds: readonly string[];
  readonly verifyWith: 'public-key' | 'certificates' | 'switching';
  /** Serial of the merchant's API certificate. */
  readonly certificateSerial = newSerial();
  /** Encrypts notifications and platform certificates: 32 characters. */
  readonly apiV3Key = newApiV3Key();
  /** The percentage of notifications that the public key signs. `wechat.pay.switchTo()` changes it. */
  publicKeyPercent: number;
  private readonly publicKeyId: string;
  private readonly registeredAt = new Date();
  private readonly certificateKeys: PlatformKey[] = [];

  /** @internal Create merchants with `startWechatSandbox({ pay: { merchants } })`. */
  constructor(
    options: Required<PayMerchantOptions>,
    private readonly index: number,
    private readonly baseUrl: () => string,
  ) {
    this.mchId = options.mchId;
    this.appIds = options.appIds;
    this.verifyWith = options.verifyWith;
    this.publicKeyPercent = this.verifyWith === 'public-key' ? 100 : 0;
    this.publicKeyId = publicKeyIdOf(this.mchId);
  }

  /**
   * Returns the `WECHAT_PAY_*` variables for an application of this merchant, with the private key.
   *
   * @param notifyUrl the application's route for notifications. It must be on this machine
   */
  env({ notifyUrl }: { notifyUrl: string }): PayEnv {
    return {
      WECHAT_PAY_MCH_ID: this.mchId,
      WECHAT_PAY_PRIVATE_KEY: this.privateKey,
      WECHAT_PAY_CERT_SERIAL: this.certificateSerial,
      WECHAT_PAY_API_V3_KEY: this.apiV3Key,
      ...(this.publicKey && {
        WECHAT_PAY_PUBLIC_KEY_ID: this.publicKey.id,
        WECHAT_PAY_PUBLIC_KEY: this.publicKey.pem,
      }),
      ...(this.verifyWith === 'switching' && { WECHAT_PAY_PLATFORM_CERTIFICATES: 'download' }),
      WECHAT_PAY_NOTIFY_URL: notifyUrl,
      WECHAT_PAY_BASE_URL: this.baseUrl(),
    };
  }

  /** The merchant's API certificate (`apiclient_cert.pem`). */
  get certificate(): string {
    return certificatePem({
      serial: this.certificateSerial,
      pair: this.ownKeys,
      commonName: this.mchId,
      notBefore: this.registeredAt,
    });
  }

  /** Adds a platform certificate and signs with it from now on, as WeChat does before the old one expires. */
  renewPlatformCertificate(): void {
    if (this.verifyWith === 'public-key')
      throw new SandboxError(`Merchant ${this.mchId} has no platform certificates.`);
    if (this.platformCertificateKeys.length >= MOST_CERTIFICATES)
      throw new SandboxError(`A merchant has ${MOST_CERTIFICATES} platform certificates at most.`);
    this.addCertificateKey();
  }

  /** The merchant's private key (`apiclient_key.pem`). */
  get privateKey(): string {
    return privatePem(this.ownKeys);
  }

  /** 微信支付公钥 with its id. Undefined for a merchant with platform certificates only. */
  get publicKey(): { id: string; pem: string } | undefined {
    const key = this.platformPublicKey;
    return key && { id: key.id, pem: publicPem(key.pair) };
  }

  /** @internal */
  get ownKeys(): KeyPair {
    return keyPair(`merchant ${this.index}`);
  }

  /** @internal The keys of the platform certificates, the newest last. Empty for a merchant with the public key only. */
  get platformCertificateKeys(): readonly PlatformKey[] {
    if (this.verifyWith !== 'public-key' && this.certificateKeys.length === 0)
      this.addCertificateKey();
    return this.certificateKeys;
  }

  /** @internal */
  get platformPublicKey(): PlatformKey | undefined {
    return this.verifyWith === 'certificates'
      ? undefined
      : { id: this.publicKeyId, pair: keyPair(`public key ${this.index}`) };
  }

  /** @internal Returns the key with this id, for a request with `Wechatpay-Serial`. */
  platformKey(id: string): PlatformKey | undefined {
    return [this.platformPublicKey, ...this.platformCertificateKeys].find((key) => key?.id === id);
  }

  /** @internal Returns the key for a response to a request without `Wechatpay-Serial`. */
  get usualKey(): PlatformKey {
    return this.platformCertificateKeys.at(-1) ?? this.platformPublicKey!;
  }

  /** @internal Returns the key for one notification. During a switch WeChat chooses it at random for each message. */
  get notificationKey(): PlatformKey {
    const drawn = randomInt(100) < this.publicKeyPercent;
    return (drawn && this.platformPublicKey) || this.usualKey;
  }

  /** @internal `data` of `/v3/certificates`: each certificate encrypted with the APIv3 key. */
  encryptedCertificates(): object[] {
    return this.platformCertificateKeys.map(({ id: serial, pair, notBefore = new Date() }) => {
      const pem = certificatePem({ serial, pair, commonName: 'Tenpay.com sign', notBefore });
      return {
        serial_no: serial,
        effective_time: beijingTime(notBefore.getTime()),
        expire_time: beijingTime(expiryOf(notBefore).getTime()),
        encrypt_certificate: encryptResource(pem, 'certificate', this.apiV3Key),
      };
    });
  }

  private addCertificateKey(): void {
    const pair = keyPair(`certificate ${this.index}.${this.certificateKeys.length}`);
    this.certificateKeys.push({ id: newSerial(), pair, notBefore: new Date() });
  }
}

const ALPHANUMERIC = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const newApiV3Key = (): string =>
  Array.from({ length: 32 }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join('');

/** `PUB_KEY_ID_` and 28 digits, the merchant's number at their beginning. */
function publicKeyIdOf(mchId: string): string {
  const digits = BigInt(`0x${createHash('sha256').update(mchId).digest('hex')}`).toString();
  return `PUB_KEY_ID_0${mchId}${digits}`.slice(0, 39);
}

/** Creates all merchants, with the defaults of their options. */
export function registerMerchants(
  options: readonly PayMerchantOptions[],
  miniPrograms: readonly string[],
  baseUrl: () => string,
): PayMerchant[] {
  const merchants = options.map((one, index) => {
    const complete = {
      mchId: one.mchId ?? String(1900000109 + index),
      appIds: one.appIds ?? miniPrograms.slice(0, 1),
      verifyWith: one.verifyWith ?? 'public-key',
    };
    assertMerchant(complete, miniPrograms);
    return new PayMerchant(complete, index, baseUrl);
  });
  if (merchants.length === 0 || merchants.length > MOST_MERCHANTS)
    throw new SandboxError(
      `pay.merchants must have at least one merchant and at most ${MOST_MERCHANTS}.`,
    );
  const numbers = new Set(merchants.map(({ mchId }) => mchId));
  if (numbers.size < merchants.length)
    throw new SandboxError('Two merchants have the same mchId. Give each merchant its own.');
  return merchants;
}

function assertMerchant(
  { mchId, appIds, verifyWith }: Required<PayMerchantOptions>,
  miniPrograms: readonly string[],
): void {
  if (!/^\d{8,10}$/.test(mchId))
    throw new SandboxError(`The mchId ${JSON.stringify(mchId)} is invalid. Use 8 to 10 digits.`);
  const unknown = appIds.find((appId) => !miniPrograms.includes(appId));
  if (unknown !== undefined)
    throw new SandboxError(
      `Merchant ${mchId} has the mini program ${unknown}, which is not in startWechatSandbox({ apps }).`,
    );
  if (!['public-key', 'certificates', 'switching'].includes(verifyWith))
    throw new SandboxError(
      `verifyWith of merchant ${mchId} must be 'public-key', 'certificates' or 'switching'.`,
    );
}
