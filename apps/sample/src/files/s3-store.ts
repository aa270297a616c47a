import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { ExponentialBackoff, handleWhen, retry, timeout, TimeoutStrategy } from 'cockatiel';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { ByteRange } from './byte-range.js';
import { FileStore, isFileName } from './file-store.js';
import type { FileStat, ListedFile, Presentation } from './file-store.js';
import type { PartFile } from './scratch.js';
import { isMissing, isTransient, reasonOf } from './s3-errors.js';
import { StorageUnavailableError } from './storage-errors.js';
import type { BucketConfig } from './storage-url.js';

const CONNECT_MS = 2000;
/** Of one call with its retries. An upload has a second more for each megabyte. */
const DEADLINE_MS = 5000;
const MS_PER_BYTE = 1000 / 1024 ** 2;
/** How long a download waits for the next bytes of the storage. The client may be slower. */
const IDLE_MS = 10_000;
/** Reading the XML of 250 objects holds the event loop for 27 ms the first time, before the code is compiled. */
const PAGE = 100;
const ADDRESS_SECONDS = 300;
/** The SDK would write to the console that it does not repeat an upload. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
/** A download has its connection for as long as the client reads, so a limit would let slow clients block all others. */
const AGENT = { keepAlive: true, maxSockets: Infinity };

/** Twice more after a failure that may pass, such as 503 SlowDown. The deadline of the call ends it earlier. */
const retrying = retry(handleWhen(isTransient), {
  maxAttempts: 2,
  backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 1000 }),
});

/** Files in a bucket, private ones. */
export class S3Store extends FileStore {
  readonly setting = 'STORAGE_URL';
  readonly root: string;
  private readonly client: S3Client;

  constructor(private readonly config: BucketConfig) {
    super();
    const { bucket, prefix, region, endpoint, pathStyle, credentials } = config;
    this.root = `s3://${bucket}/${prefix}`.replace(/\/$/, '');
    this.client = new S3Client({
      region,
      endpoint,
      forcePathStyle: pathStyle,
      credentials,
      maxAttempts: 1, // the SDK does not repeat an upload, so this store repeats every call
      logger: SILENT,
      requestHandler: { connectionTimeout: CONNECT_MS, httpAgent: AGENT, httpsAgent: AGENT },
      expectContinueHeader: false, // some services ignore it, and the SDK then waits longer than the deadline
      // COS and OSS refuse the checksums that the SDK adds by default.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  async create(): Promise<void> {}

  /** The length is known, so nothing is kept in memory, and S3 stores the object completely or not at all. */
  async put(key: string, { path, size }: PartFile): Promise<void> {
    await this.call(DEADLINE_MS + size * MS_PER_BYTE, 'stored', async (options) => {
      const Body = createReadStream(path);
      try {
        await this.client.send(
          new PutObjectCommand({ ...this.at(key), Body, ContentLength: size }),
          options,
        );
      } finally {
        Body.destroy();
      }
    });
  }

  stat(key: string): Promise<FileStat | undefined> {
    return this.call(DEADLINE_MS, 'read', async (options) => {
      const head = await this.client
        .send(new HeadObjectCommand(this.at(key)), options)
        .catch(unlessMissing);
      return head && statOf(head.ContentLength, head.LastModified);
    });
  }

  read(key: string, range?: ByteRange): Promise<Readable | undefined> {
    return this.call(DEADLINE_MS, 'read', async (options) => {
      const Range = range && `bytes=${range.start}-${range.end}`;
      const object = await this.client
        .send(new GetObjectCommand({ ...this.at(key), Range }), options)
        .catch(unlessMissing);
      return object && this.contentOf(object.Body as Readable);
    });
  }

  async remove(key: string): Promise<void> {
    await this.call(DEADLINE_MS, 'stored', (options) =>
      this.client.send(new DeleteObjectCommand(this.at(key)), options),
    );
  }

  async move(from: string, to: string): Promise<boolean> {
    const { Bucket, Key } = this.at(from);
    const CopySource = encodeURI(`${Bucket}/${Key}`);
    const copied = await this.call(DEADLINE_MS, 'stored', (options) =>
      this.client
        .send(new CopyObjectCommand({ ...this.at(to), CopySource }), options)
        .catch(unlessMissing),
    );
    if (copied) await this.remove(from);
    return copied !== undefined;
  }

  async *list(folder: string): AsyncGenerator<ListedFile[]> {
    const { Bucket, Key: Prefix } = this.at(`${folder}/`);
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket,
        Prefix,
        ContinuationToken,
        MaxKeys: PAGE,
      });
      const page = await this.call(DEADLINE_MS, 'read', (options) =>
        this.client.send(command, options),
      );
      const files = (page.Contents ?? []).map(({ Key = '', Size, LastModified }) => ({
        name: Key.slice(Prefix.length),
        ...statOf(Size, LastModified),
      }));
      yield files.filter(({ name }) => isFileName(name));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  override async addressOf(
    key: string,
    { type, disposition, cacheControl }: Presentation,
  ): Promise<string | undefined> {
    if (!this.config.redirect) return undefined;
    const command = new GetObjectCommand({
      ...this.at(key),
      ResponseContentType: type,
      ResponseContentDisposition: disposition,
      ResponseCacheControl: cacheControl,
    });
    return this.call(DEADLINE_MS, 'read', () =>
      getSignedUrl(this.client, command, { expiresIn: ADDRESS_SECONDS }),
    );
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.config.bucket, Key: this.config.prefix + key };
  }

  /** The only way to the client: with a deadline and retries. Errors of the SDK end here, because they contain parts of the signature. */
  private async call<Result>(
    deadline: number,
    cannotBe: 'stored' | 'read',
    send: (options: { abortSignal: AbortSignal }) => Promise<Result>,
  ): Promise<Result> {
    const limit = timeout(deadline, {
      strategy: TimeoutStrategy.Aggressive, // the SDK does not abort a request for credentials
      abortOnReturn: false, // it would end the body of a response
    });
    try {
      return await limit.execute(({ signal }) =>
        retrying.execute(() => send({ abortSignal: signal }), signal),
      );
    } catch (error) {
      throw this.unavailable(error, cannotBe);
    }
  }

  /** A generator that has not begun cannot end the response, so the stream does: a client can leave before its first byte is read. */
  private contentOf(body: Readable): Readable {
    const content = Readable.from(this.untilIdle(body), { objectMode: false });
    return content.once('close', () => body.destroy());
  }

  /** Passes the bytes of a response on, until the storage sends none for too long. */
  private async *untilIdle(source: Readable): AsyncGenerator<Uint8Array> {
    const chunks = source.iterator() as AsyncIterator<Uint8Array>;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      const timer = setTimeout(() => source.destroy(new IdleError()), IDLE_MS);
      try {
        return await chunks.next();
      } catch (error) {
        throw this.unavailable(error, 'read');
      } finally {
        clearTimeout(timer);
      }
    };
    for (let chunk = await next(); !chunk.done; chunk = await next()) yield chunk.value;
  }

  private unavailable(error: unknown, cannotBe: 'stored' | 'read'): StorageUnavailableError {
    return new StorageUnavailableError({ reason: `${this.place}: ${reasonOf(error)}`, cannotBe });
  }
}

class IdleError extends Error {
  override readonly name = 'TimeoutError';
}

const statOf = (size = 0, written?: Date): FileStat => ({
  size,
  writtenAt: written?.getTime() ?? Infinity,
});

function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
