import { Logger } from '@nestjs/common';
import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isObject } from '../is-object.js';
import { WechatError } from '../wechat.errors.js';
import { hasNoCertificates } from './pay-error.js';
import { decryptPayResource } from './pay.resource.js';

/** In milliseconds. WeChat Pay asks merchants to read the certificates at least every 12 hours. */
const RELOAD_EVERY_MS = 12 * 60 * 60_000;
const RETRY_EVERY_MS = 10_000;
/** An unknown serial reads the certificates again, at most this often, so that invented serials cause no calls. */
const RELOAD_FOR_UNKNOWN_EVERY_MS = 5 * 60_000;

/**
 * WeChat Pay's platform certificates (平台证书), in the memory of this process. They are never in the store: a writer of the
 * store could plant one.
 *
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4012551764
 */
export class PlatformCertificates {
  private readonly logger = new Logger('WechatPay');
  private keys: ReadonlyMap<string, KeyObject> = new Map();
  private timer?: NodeJS.Timeout;
  private unknownAt = -Infinity;
  private reading?: Promise<boolean>;
  private isStopped = false;

  /** @param read downloads, decrypts and verifies the certificates */
  constructor(private readonly read: () => Promise<ReadonlyMap<string, KeyObject>>) {}

  get(serial: string): KeyObject | undefined {
    return this.keys.get(serial);
  }

  get isEmpty(): boolean {
    return this.keys.size === 0;
  }

  /** The certificate that ends last, for the encryption of sensitive fields. */
  get newestSerial(): string | undefined {
    return [...this.keys.keys()].at(-1);
  }

  /** Reads the certificates now and every 12 hours. Never rejects: without certificates the start goes on, and the read is retried. */
  async start(): Promise<void> {
    const isThere = await this.load();
    if (this.isStopped) return;
    this.timer = setTimeout(() => void this.start(), isThere ? RELOAD_EVERY_MS : RETRY_EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /**
   * The key of a serial that is not known yet. A download that is under way may bring it. Otherwise the certificates are downloaded, if that
   * was not done for an unknown serial in the last 5 minutes.
   */
  async find(serial: string): Promise<KeyObject | undefined> {
    await this.reading;
    const isAllowed = performance.now() - this.unknownAt >= RELOAD_FOR_UNKNOWN_EVERY_MS;
    if (!this.keys.has(serial) && isAllowed) {
      this.unknownAt = performance.now();
      void this.load();
    }
    await this.reading;
    return this.keys.get(serial);
  }

  /** Calls at the same time share one download. Never rejects. */
  private load(): Promise<boolean> {
    this.reading ??= this.download().finally(() => (this.reading = undefined));
    return this.reading;
  }

  /** @returns false if another attempt may succeed */
  private async download(): Promise<boolean> {
    try {
      this.keys = await this.read();
      return true;
    } catch (error) {
      const reason = error instanceof WechatError ? error.message : String(error);
      this.logger.error(`The platform certificates of WeChat Pay cannot be read: ${reason}`);
      return hasNoCertificates(error);
    }
  }
}

/**
 * Decrypts the certificates of a response of `/v3/certificates`.
 * @returns public keys by serial number, the certificate that ends last at the end; `undefined` if the response has another shape
 * @throws WechatBadRequestError if they were encrypted with another APIv3 key
 */
export function decryptCertificates(
  json: unknown,
  apiV3Key: KeyObject,
): Map<string, KeyObject> | undefined {
  const list = isObject(json) ? json['data'] : undefined;
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const certificates = list.map((entry: unknown) => {
    const resource = isObject(entry) ? entry['encrypt_certificate'] : undefined;
    return new X509Certificate(decryptPayResource({ resource: resource as never, apiV3Key }));
  });
  const byEnd = certificates.toSorted((a, b) => Date.parse(a.validTo) - Date.parse(b.validTo));
  return new Map(byEnd.map(({ serialNumber, publicKey }) => [serialNumber, publicKey]));
}
