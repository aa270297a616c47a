import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { KeyObject } from 'node:crypto';
import {
  WechatCallbackError,
  WechatConfigError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import type { WechatCallInfo } from '../wechat.errors.js';
import { hasNoCertificates } from './pay-error.js';
import { invalid, parseJson } from './pay-response.js';
import { ResolvedPayOptions } from './pay.options.js';
import { decryptPayResource } from './pay.resource.js';
import type { EncryptedPayResource } from './pay.resource.js';
import { checkSignature, readSignature } from './pay.signature.js';
import type { PayHeaders } from './pay.signature.js';
import { PayTransport } from './pay.transport.js';
import { decryptCertificates, PlatformCertificates } from './platform-certificates.js';

export const CERTIFICATES_PATH = '/v3/certificates';

/** The keys that open what WeChat Pay sends: public keys and platform certificates verify it, the APIv3 key decrypts it. */
@Injectable()
export class PayKeys implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly certificates: PlatformCertificates;
  private decryption: 'ok' | 'failed' = 'ok';

  constructor(
    private readonly transport: PayTransport,
    private readonly options: ResolvedPayOptions,
  ) {
    this.certificates = new PlatformCertificates(() => this.readCertificates());
  }

  /** `degraded` while no key verifies messages, and after a verified message did not decrypt, until the next one does. */
  get state(): 'ok' | 'degraded' {
    return this.hasVerifier && this.decryption === 'ok' ? 'ok' : 'degraded';
  }

  /** The start does not wait for the certificates. */
  onApplicationBootstrap(): void {
    if (this.options.downloadsCertificates) void this.certificates.start();
  }

  onApplicationShutdown(): void {
    this.certificates.stop();
  }

  /**
   * Verifies the signature of a message. The key is chosen by `Wechatpay-Serial`.
   * @returns the serial number or the id of the key; a promise only if the key must be downloaded
   * @throws WechatCallbackError, WechatUnavailableError while no key is known
   */
  verify(headers: PayHeaders, body: Buffer): string | Promise<string> {
    const signature = readSignature(headers, Date.now());
    const { serial } = signature;
    const check = (key: KeyObject | undefined): string => {
      if (!key) throw this.hasVerifier ? unknownSerial() : noKey();
      checkSignature(signature, body, key);
      return serial;
    };
    const known = this.known(serial);
    return known || !this.mayDownload(serial)
      ? check(known)
      : this.certificates.find(serial).then(check);
  }

  /**
   * Decrypts a part of a message whose signature is verified, so a failure means that the APIv3 key is wrong.
   * @throws WechatBadRequestError
   */
  decrypt(resource: EncryptedPayResource): string {
    try {
      const text = decryptPayResource({ resource, apiV3Key: this.options.apiV3Key });
      this.decryption = 'ok';
      return text;
    } catch (error) {
      this.decryption = 'failed';
      throw error;
    }
  }

  /** The newest key of WeChat Pay, for the encryption of sensitive fields. @throws WechatUnavailableError while no key is known */
  newest(): { serial: string; key: KeyObject } {
    const [serial] = [...this.options.publicKeys.keys(), this.certificates.newestSerial];
    const key = serial === undefined ? undefined : this.known(serial);
    if (serial === undefined || !key) throw noKey();
    return { serial, key };
  }

  private get hasVerifier(): boolean {
    return this.options.publicKeys.size > 0 || !this.certificates.isEmpty;
  }

  private known(serial: string): KeyObject | undefined {
    return this.options.publicKeys.get(serial) ?? this.certificates.get(serial);
  }

  /** The id of a public key is never a certificate, so it causes no download. */
  private mayDownload(serial: string): boolean {
    return this.options.downloadsCertificates && /^[0-9A-F]{40}$/.test(serial);
  }

  /** The certificates of a response verify that response, and the APIv3 key decrypts them. */
  private async readCertificates(): Promise<ReadonlyMap<string, KeyObject>> {
    const response = await this.transport
      .send({ method: 'GET', path: CERTIFICATES_PATH })
      .catch((error: unknown) => {
        throw hasNoCertificates(error) ? noCertificates(error) : error;
      });
    const certificates = decryptCertificates(parseJson(response.body), this.options.apiV3Key);
    const signature = readSignature(response.headers, Date.now());
    const key =
      this.options.publicKeys.get(signature.serial) ?? certificates?.get(signature.serial);
    if (!certificates || !key)
      throw invalid('certificates of another shape', CERTIFICATES_PATH, response);
    checkSignature(signature, response.body, key);
    return certificates;
  }
}

function noCertificates({ endpoint, rid, payCode }: WechatCallInfo): WechatConfigError {
  return new WechatConfigError(
    [
      'This merchant has no platform certificates: set WECHAT_PAY_PUBLIC_KEY and WECHAT_PAY_PUBLIC_KEY_ID',
    ],
    { endpoint, rid, payCode },
  );
}

function noKey(): WechatUnavailableError {
  return new WechatUnavailableError(
    'No key of WeChat Pay is known yet: the platform certificates could not be read.',
  );
}

function unknownSerial(): WechatCallbackError {
  return new WechatCallbackError(
    'The message is not signed by WeChat Pay: Wechatpay-Serial is not the id of a known key.',
    401,
  );
}
