export interface RedisAddress {
  host: string;
  port: number;
}

/** Sentinels and the primary that they watch, from a URL `redis+sentinel://user:password@host:26379,host:26379/master-name`. */
export interface SentinelUrl {
  sentinels: RedisAddress[];
  /** The name of the primary, as in the sentinels' configuration. */
  name: string;
  username?: string;
  password?: string;
  /** Whether sentinels and servers use TLS: `rediss+sentinel://`. */
  tls: boolean;
}

const SENTINEL_URL = /^redis(s?)\+sentinel:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^@/]+)\/([\w.-]+)$/;
const SENTINEL_HOST = /^(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?$/i;
const SENTINEL_PORT = 26_379;

const FORMS =
  'must be redis://host:6379 or rediss://host:6379 (several for a cluster), or redis+sentinel://host:26379,host:26379/master-name, with special characters of user and password percent-encoded (%40 for @)';
const ONE_SENTINEL_URL =
  'must name all sentinels in one URL: redis+sentinel://host:26379,host:26379/master-name';
const DATABASE = 'must have the number of a database as its path, or no path: redis://host:6379/1';

/** Splits the text of a variable into URLs. The commas between the sentinels of a URL are part of it. */
export function splitRedisUrls(text: string): string[] {
  return isSentinelUrl(text) ? [text.trim()] : text.split(',').map((url) => url.trim());
}

export function isSentinelUrl(url: string): boolean {
  return /^\s*rediss?\+sentinel:/.test(url);
}

/** Returns `undefined` if the URL is not valid. */
export function parseSentinelUrl(url: string): SentinelUrl | undefined {
  const [matched, secure, username = '', password = '', hosts = '', name = ''] =
    SENTINEL_URL.exec(url) ?? [];
  const sentinels = hosts.split(',').map(addressOf);
  if (!matched || !sentinels.every((sentinel) => sentinel !== undefined)) return undefined;
  return {
    sentinels,
    name,
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
    tls: secure === 's',
  };
}

/** Returns what is wrong with the URLs, without any part of them, or `undefined`. */
export function problemOfRedisUrls(urls: string[]): string | undefined {
  if (urls.length === 0) return FORMS;
  if (urls.length > 1 && urls.some(isSentinelUrl)) return ONE_SENTINEL_URL;
  return urls.map(problemOf).find((problem) => problem !== undefined);
}

/** The client library would throw a URIError or a TypeError for these URLs. */
function problemOf(url: string): string | undefined {
  if (!isDecodable(url)) return FORMS;
  if (isSentinelUrl(url)) return parseSentinelUrl(url) ? undefined : FORMS;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed?.hostname || !['redis:', 'rediss:'].includes(parsed.protocol)) return FORMS;
  const databases = [parsed.pathname.slice(1), parsed.searchParams.get('db') ?? ''];
  return databases.every((text) => /^\d*$/.test(text)) ? undefined : DATABASE;
}

function addressOf(text: string): RedisAddress | undefined {
  const url = `redis://${text.trim()}`;
  if (!SENTINEL_HOST.test(text.trim()) || !URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  return { host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port || SENTINEL_PORT) };
}

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== '';
  } catch {
    return false;
  }
}
