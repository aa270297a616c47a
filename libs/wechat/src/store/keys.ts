/** The prefix of the library's keys. In Redis, `redis.keyPrefix` replaces it. */
export const DEFAULT_KEY_PREFIX = 'wx:';

/**
 * The prefixes of all keys that this library writes. In Redis, `redis.keyPrefix` replaces the leading `wx:`.
 *
 * The names are part of the stored format: they are also the additional data of the sealed records.
 */
export const KEY_PREFIX = {
  /** Session record, by session id. */
  session: 'wx:s:',
  /** User record: session_key and list of sessions, by a hash of appId and openid. */
  user: 'wx:u:',
  /** Mobile login record, by login id. */
  mobileLogin: 'wx:m:',
  /** OAuth `state` of a website login, by its hash. */
  oauthState: 'wx:state:',
  /** Access token record, by appId. */
  accessToken: 'wx:at:',
  /** Lock for fetching an access token, by appId. */
  accessTokenLock: 'wx:lock:at:',
  /** Counter of forced access token refreshes within 30 seconds, by appId. */
  forcedRefresh: 'wx:force:',
  /** Counter of forced access token refreshes within a day, by appId. */
  forcedRefreshesToday: 'wx:forced:',
  /** Counter of failed decryptions and signatures, by a hash of appId and openid. */
  decryptFailures: 'wx:f:',
  /** Cached mini-program code, by a hash of the request. */
  qrCode: 'wx:qr:',
  /** Written and removed by the health check, by a random id. */
  healthCheck: 'wx:health:',
  /** Claim or mark of a notification of WeChat Pay, by its hashed identity. */
  payNotification: 'wx:pay:n:',
  /** Claim or mark of a push, by its hashed identity. */
  push: 'wx:push:m:',
  /** Reply to a push of the last minute, encrypted, by the hashed identity of the push. */
  pushReply: 'wx:push:r:',
} as const;
