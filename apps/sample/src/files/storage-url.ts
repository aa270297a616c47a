import { isIP } from 'node:net';
import { WechatConfigError } from 'nestjs-wechat';

/** A folder, or a bucket with the S3 interface. */
export type StorageConfig = FolderConfig | BucketConfig;

export interface FolderConfig {
  dir: string;
}

export interface BucketConfig {
  bucket: string;
  /** The start of every key: empty, or with a final `/`. */
  prefix: string;
  /** `undefined`: Amazon's. */
  endpoint: string | undefined;
  region: string;
  /** Whether the bucket is in the path of an address. Otherwise it is in the host. */
  pathStyle: boolean;
  /** `undefined`: the SDK finds them. A function, because it does not print the secret. */
  credentials: (() => Promise<Credentials>) | undefined;
  /** Whether clients download from the bucket. */
  redirect: boolean;
}

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** The variables of the storage. An empty one is absent. */
export interface StorageVariables {
  UPLOAD_DIR: string;
  STORAGE_URL?: string;
  STORAGE_ACCESS_KEY_ID?: string;
  STORAGE_SECRET_ACCESS_KEY?: string;
  STORAGE_REDIRECT?: string;
}

const FORMAT =
  'STORAGE_URL must be file:DIR or s3://bucket/prefix?endpoint=https://…&region=…&path-style=on, where all after the bucket is optional';
/** `file:///mnt/uploads` and `file:./uploads` */
const FILE = /^file:(?:\/\/(?=\/))?(.*)$/;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[\w./-]*$/;
const PARAMETERS = new Set(['endpoint', 'region', 'path-style']);
const REGION = /^[\w-]+$/;
/** A storage above it would take its files for old trash and delete them. */
const IN_TRASH = /(^|[\\/])trash[\\/]*$/;
const DEFAULT_REGION = 'us-east-1';

/**
 * Reads where files are stored.
 * @throws WechatConfigError
 */
export function readStorage(variables: StorageVariables): StorageConfig {
  const {
    UPLOAD_DIR,
    STORAGE_URL = 'file:',
    STORAGE_ACCESS_KEY_ID: accessKeyId,
    STORAGE_SECRET_ACCESS_KEY: secretAccessKey,
    STORAGE_REDIRECT = 'off',
  } = variables;
  const problems: string[] = [];
  const storage = parse(STORAGE_URL, UPLOAD_DIR);
  if (!storage) problems.push(FORMAT);
  else if (IN_TRASH.test('dir' in storage ? storage.dir : storage.prefix))
    problems.push(
      'STORAGE_URL or UPLOAD_DIR must not end with trash, the trash of another storage',
    );
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    problems.push(
      'STORAGE_ACCESS_KEY_ID and STORAGE_SECRET_ACCESS_KEY must both be set, or neither',
    );
  if (!['on', 'off'].includes(STORAGE_REDIRECT))
    problems.push('STORAGE_REDIRECT must be on or off');
  if (STORAGE_REDIRECT === 'on' && storage && 'dir' in storage)
    problems.push('STORAGE_REDIRECT=on needs STORAGE_URL=s3://…');
  if (problems.length > 0 || !storage) throw new WechatConfigError(problems);
  if ('dir' in storage) return storage;
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    storage.credentials = async () => ({ accessKeyId, secretAccessKey });
  return { ...storage, redirect: STORAGE_REDIRECT === 'on' };
}

function parse(text: string, uploadDir: string): StorageConfig | undefined {
  const [, path] = FILE.exec(text) ?? [];
  if (path !== undefined) return { dir: path === '' ? uploadDir : path };
  return URL.canParse(text) ? bucketOf(new URL(text)) : undefined;
}

/** A user name or password is refused: the address is printed in messages. */
function bucketOf({
  protocol,
  host,
  pathname,
  username,
  password,
  searchParams,
  hash,
}: URL): BucketConfig | undefined {
  const prefix = pathname.replace(/^\/+|\/+$/g, '');
  const endpoint = searchParams.get('endpoint') ?? undefined;
  const region = searchParams.get('region') ?? DEFAULT_REGION;
  const pathStyle = searchParams.get('path-style');
  const isValid =
    protocol === 's3:' &&
    BUCKET.test(host) &&
    PREFIX.test(prefix) &&
    username + password + hash === '' &&
    [...searchParams.keys()].every((name) => PARAMETERS.has(name)) &&
    REGION.test(region) &&
    (endpoint === undefined || isEndpoint(endpoint)) &&
    ['on', 'off', null].includes(pathStyle);
  if (!isValid) return undefined;
  return {
    bucket: host,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    region,
    pathStyle: pathStyle === null ? needsPathStyle(endpoint) : pathStyle === 'on',
    credentials: undefined,
    redirect: false,
  };
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search, hash, username, password } = new URL(text);
  const isPlain = search + hash + username + password === '';
  return /^https?:$/.test(protocol) && pathname === '/' && isPlain;
}

/** A bucket cannot be a subdomain of an IP address, of localhost, or of a host name without a dot, such as a container's. */
function needsPathStyle(endpoint: string | undefined): boolean {
  if (endpoint === undefined) return false;
  const { hostname } = new URL(endpoint);
  return isIP(hostname) > 0 || hostname.startsWith('[') || !hostname.includes('.');
}
