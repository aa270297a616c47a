import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { requireThat } from './pay-checks.js';
import { invalid } from './pay-response.js';
import type { ResolvedPayOptions } from './pay.options.js';
import type { PayTransport } from './pay.transport.js';

const MAX_BILL_BYTES = 200 * 1024 * 1024;
/** A bill is large, so it gets this many times the time of a call. */
const BILL_SHARE = 24;

/** The hash that WeChat Pay announced for a bill. */
export interface BillHash {
  /** @default 'SHA1' */
  hashType?: string;
  hashValue?: string;
}

/**
 * Downloads a bill. The response has no signature: only the hash of the signed call proves it.
 * @throws WechatBadRequestError for another host; WechatResponseError for another hash; WechatUnavailableError
 */
export async function downloadBill(
  transport: PayTransport,
  { baseUrl, timeoutMs }: ResolvedPayOptions,
  url: string,
  { hashType = 'SHA1', hashValue }: BillHash,
): Promise<Buffer> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  requireThat(
    target !== undefined && isOwnHost(target, baseUrl),
    'url must be a download_url of WeChat Pay',
  );
  requireThat(/^SHA(1|256)$/i.test(hashType), 'hashType must be SHA1 or SHA256');
  const { origin, pathname, search } = target;
  const response = await transport.send(
    { method: 'GET', path: pathname + search },
    { origin, timeoutMs: timeoutMs * BILL_SHARE, maxBytes: MAX_BILL_BYTES },
  );
  const file = await decompressed(response.body).catch(() => {
    throw invalid('a bill that cannot be decompressed', pathname, response);
  });
  if (hashValue !== undefined && hashOf(file, hashType) !== hashValue.toLowerCase())
    throw invalid('a bill with another hash', pathname, response);
  return file;
}

/** The request is signed, so it goes to no other host. */
function isOwnHost({ origin, protocol, hostname }: URL, baseUrl: string): boolean {
  if (origin === new URL(baseUrl).origin) return true;
  return protocol === 'https:' && /^api2?\.mch\.weixin\.qq\.com$/.test(hostname);
}

const unzip = promisify(gunzip);

/** The file is compressed if the bill was requested with `tar_type=GZIP`. */
function decompressed(file: Buffer): Promise<Buffer> {
  const isGzip = file[0] === 0x1f && file[1] === 0x8b;
  return isGzip ? unzip(file, { maxOutputLength: MAX_BILL_BYTES }) : Promise.resolve(file);
}

function hashOf(file: Buffer, hashType: string): string {
  return createHash(hashType.toLowerCase()).update(file).digest('hex');
}
