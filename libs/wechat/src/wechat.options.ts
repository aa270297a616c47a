import type { Abstract, Type } from '@nestjs/common';
import { parseDuration } from './duration.js';
import type { Duration } from './duration.js';
import { hideSecrets } from './hide-secrets.js';
import { OptionProblems, readSafeUrl } from './option-problems.js';
import { problemOfRedisClient } from './store/redis/redis.client.js';
import type { WechatRedisClient } from './store/redis/redis.client.js';
import { problemOfRedisUrls } from './store/redis/redis.url.js';
import type { WechatStore } from './store/wechat.store.js';
import type { WechatHttp } from './transport/http.transport.js';
import type { WechatApp, WechatAppKind, WechatAppRegistry, WechatPush } from './wechat-app.js';
import type { WechatUserResolver } from './wechat-user.resolver.js';
import { WechatAppError } from './wechat.errors.js';

export type { WechatApp, WechatAppKind, WechatPush } from './wechat-app.js';

/**
 * A key that encrypts the records in the store with AES-256-GCM.
 *
 * @example
 * ```ts
 * encryptionKeys: [{ id: '2026-11', key: Buffer.from('…32 bytes as base64…', 'base64') }, older]
 * ```
 */
export interface WechatEncryptionKey {
  /** The key id: 1 to 64 of the characters 0-9 a-z A-Z _ . - Every record has the id of its key in plain text. */
  id: string;
  /** 32 random bytes. */
  key: Buffer;
}

/**
 * The options of `WechatModule`. Only `apps` is required.
 *
 * @example
 * ```ts
 * const options: WechatModuleOptions = { apps: [app], session: { ttl: '30m' }, redis: { url: 'redis://…' }, users: Users };
 * ```
 */
export interface WechatModuleOptions {
  /**
   * The WeChat apps: a list, where a call without an appId uses the first app of its kind, or a registry of apps that change at run
   * time, as a class or an instance. If your application provides the class, that instance is used.
   */
  apps: WechatApp[] | WechatAppRegistry | Abstract<WechatAppRegistry>;
  /** Calls to WeChat. */
  api?: {
    /** The URL of WeChat's API. `http://` is accepted for loopback addresses only. @default 'https://api.weixin.qq.com' */
    baseUrl?: string;
    /** The timeout of one request, headers and body. A call with its retries ends within twice this time. @default '3s' */
    timeout?: Duration;
    /**
     * `stable` uses cgi-bin/stable_token: another service with the same app keeps its token. `legacy` uses cgi-bin/token: each
     * fetch invalidates the token of the other service. @default 'stable'
     */
    accessTokenMode?: 'stable' | 'legacy';
    /**
     * Sends the requests to WeChat, such as the `HttpService` of `@nestjs/axios`: for your agents (an egress proxy, a private certificate
     * authority) and interceptors, which see the secrets of the requests. @default an axios instance of the library
     */
    http?: WechatHttp;
  };
  /** Sessions. */
  session?: {
    /** The life of one `session_rd`. A refresh returns the next one. @default '30m' */
    ttl?: Duration;
    /** The life of a session from its login on, refreshes included. Then the client calls `wx.login` again. @default '7d' */
    maxAge?: Duration;
    /** How long a replaced `session_rd` is still valid, so that a client that lost the response can repeat the refresh. @default '60s' */
    refreshGrace?: Duration;
    /** The maximum number of sessions of one user in one app. The next login revokes the oldest session. @default 10 */
    maxPerUser?: number;
  };
  /** Encrypted open data. */
  openData?: {
    /** The maximum age of the watermark. `0` accepts any age. @default '10m' */
    maxAge?: Duration;
  };
  /** Message push. The endpoint is mounted if an app has `push`. */
  push?: {
    /** Where the endpoint is mounted. `false` mounts nothing; call `MessagePushService.handle` then. @default '/wechat/push' */
    path?: string | false;
    /** The maximum age of a push. `0` accepts any age. @default '1h' */
    maxAge?: Duration;
  };
  /**
   * The keys that encrypt the records in the store. The first one encrypts and all of them decrypt, so keys can be rotated
   * without logging users out. @default derived from each app's secret
   */
  encryptionKeys?: WechatEncryptionKey[];
  /**
   * Redis. With `url` the module opens and closes the connection. With `client` it uses your connected client of node-redis, or
   * a second connection with the options of your client of ioredis, and never closes your client. @default in-memory store
   */
  redis?:
    | {
        /**
         * A `redis://` or `rediss://` URL. Several URLs are the nodes of a Redis Cluster. The sentinels of a server are one URL:
         * `redis+sentinel://user:password@host:26379,host:26379/master-name`, with TLS `rediss+sentinel://`.
         */
        url: string | string[];
        /**
         * The number of replicas that must confirm a revocation before it succeeds. A failover to one of them then does not
         * restore the session. If fewer confirm within 150 ms, the call throws StoreUnavailableError (503) and can be repeated.
         *
         * Only revocations wait. If a failover loses a login or a refresh, the client gets 401 and logs in again. A lost
         * revocation would stay unnoticed. Run at least one replica more than this number: otherwise every revocation fails
         * while one replica is down. @default 0
         */
        waitReplicas?: number;
        /** The start of every key in Redis, also of keys that your application writes through the store. @default 'wx:' */
        keyPrefix?: string;
      }
    | { client: WechatRedisClient; keyPrefix?: string };
  /** A custom store, instead of `redis`. */
  store?: WechatStore;
  /**
   * Finds your user by a session, for `@CurrentUser()` and `request.user`: a class or an instance. If your application provides
   * the class, that instance is used. Without this option the provider WECHAT_USER_RESOLVER is used, if there is one.
   * @default `{ appId, openid, unionid? }`
   */
  users?: Type<WechatUserResolver> | WechatUserResolver;
  /**
   * Whether SessionGuard resolves the user before the handler runs, so that `request.user` is the user and not a promise. It
   * costs a call of the resolver for each guarded request. @default false
   */
  eagerUser?: boolean;
  /**
   * Whether the module registers WechatExceptionFilter for the whole application. With `false` your own `APP_FILTER` or Nest's
   * own filter handles the errors. They are HttpExceptions, so status and body are the same. @default true
   */
  errorFilter?: boolean;
  /** Returns the time in milliseconds since 1970, for tests. @default the clock of the process; with redis, Redis's time */
  clock?: () => number;
}

/**
 * The validated options with their defaults. Durations are in milliseconds. `WechatModule` provides and exports it.
 *
 * @example
 * ```ts
 * constructor(private readonly options: ResolvedWechatOptions) {}
 *
 * lifetime(): number { return this.options.session.ttlMs; }      // 1800000
 * ```
 */
export class ResolvedWechatOptions {
  /** Empty with a registry. */
  readonly apps: readonly WechatApp[];
  /** Instead of the list of apps. */
  readonly appRegistry?: WechatAppRegistry | Abstract<WechatAppRegistry>;
  readonly api: {
    baseUrl: string;
    timeoutMs: number;
    accessTokenMode: 'stable' | 'legacy';
    http?: WechatHttp;
  };
  readonly session: {
    ttlMs: number;
    maxAgeMs: number;
    refreshGraceMs: number;
    maxPerUser: number;
  };
  readonly openData: { maxAgeMs: number };
  /** Without a path nothing is mounted. */
  readonly push: { path?: string; maxAgeMs: number };
  readonly encryptionKeys: readonly WechatEncryptionKey[];
  readonly redis?: WechatModuleOptions['redis'];
  readonly store?: WechatStore;
  readonly users?: WechatModuleOptions['users'];
  readonly eagerUser: boolean;
  readonly errorFilter: boolean;
  readonly clock?: () => number;

  /**
   * Validates the options.
   *
   * @param nameOf returns the name of an option in the texts of problems, such as the variable that it was read from
   * @throws WechatConfigError with every problem of the options at once
   */
  constructor(
    options: WechatModuleOptions,
    nameOf: (option: string) => string = (option) => option,
  ) {
    const check = new Problems(nameOf);
    this.appRegistry = isRegistry(options.apps) ? options.apps : undefined;
    this.apps = isRegistry(options.apps) ? [] : check.apps(options.apps);
    this.api = {
      baseUrl: check.baseUrl(options.api?.baseUrl ?? WECHAT_API_BASE_URL),
      timeoutMs: check.duration('api.timeout', options.api?.timeout ?? '3s', 1),
      accessTokenMode: check.oneOf(
        'api.accessTokenMode',
        options.api?.accessTokenMode ?? 'stable',
        ['stable', 'legacy'],
      ),
      http: options.api?.http,
    };
    this.session = {
      ttlMs: check.duration('session.ttl', options.session?.ttl ?? '30m', 1),
      maxAgeMs: check.duration('session.maxAge', options.session?.maxAge ?? '7d', 1),
      refreshGraceMs: check.duration(
        'session.refreshGrace',
        options.session?.refreshGrace ?? '60s',
        0,
      ),
      maxPerUser: check.count('session.maxPerUser', options.session?.maxPerUser ?? 10),
    };
    this.openData = {
      maxAgeMs: check.duration('openData.maxAge', options.openData?.maxAge ?? '10m', 0),
    };
    this.push = {
      path: check.path('push.path', options.push?.path ?? '/wechat/push'),
      maxAgeMs: check.duration('push.maxAge', options.push?.maxAge ?? '1h', 0),
    };
    this.encryptionKeys = check.encryptionKeys(options.encryptionKeys ?? []);
    check.expect(
      !this.appRegistry || this.encryptionKeys.length > 0,
      'encryptionKeys',
      'is required with a registry of apps, because keys that are derived from an AppSecret end with it; make a key with: openssl rand -base64 32',
    );
    this.redis = check.redis(options.redis);
    this.store = options.store;
    this.users = options.users;
    this.eagerUser = options.eagerUser ?? false;
    this.errorFilter = options.errorFilter ?? true;
    this.clock = options.clock;
    check.expect(
      !(options.redis && options.store),
      'redis',
      'and store exclude each other: pass one of them',
    );
    check.throwIfAny();
    ({
      apps: this.apps,
      encryptionKeys: this.encryptionKeys,
      redis: this.redis,
    } = hideOptions(this));
  }

  /**
   * Returns the app with this appId, or without an appId the first app of this kind.
   *
   * @throws WechatAppError if no app of this kind is in the list, or none with this appId
   */
  app(kind: WechatAppKind, appId?: string): WechatApp {
    const app = this.apps.find(
      (one) => one.kind === kind && (appId === undefined || one.appId === appId),
    );
    if (!app) throw new WechatAppError('appId');
    return app;
  }
}

type SecretOptions = Pick<ResolvedWechatOptions, 'apps' | 'encryptionKeys' | 'redis'>;

/** Returns copies of the options that contain secrets. Printing a copy does not print its secrets. */
function hideOptions({ apps, encryptionKeys, redis }: SecretOptions): SecretOptions {
  return {
    apps: apps.map(hideApp),
    encryptionKeys: encryptionKeys.map((key) => hideSecrets({ ...key }, 'key')),
    redis:
      redis &&
      ('url' in redis ? hideSecrets({ ...redis }, 'url') : hideSecrets({ ...redis }, 'client')),
  };
}

/** Returns a copy of an app that does not print its secrets. */
export function hideApp({ push, ...app }: WechatApp): WechatApp {
  const hidden = push && { push: hideSecrets({ ...push }, 'token', 'aesKeys') };
  return hideSecrets({ ...app, ...hidden }, 'secret');
}

/** Returns a copy of the options that does not print its secrets. Options that are not valid are returned unchanged. */
export function withHiddenSecrets(options: WechatModuleOptions): WechatModuleOptions {
  try {
    const { apps, encryptionKeys = [], redis } = options;
    const hidden = hideOptions({ apps: isRegistry(apps) ? [] : apps, encryptionKeys, redis });
    return {
      ...options,
      ...(!isRegistry(apps) && { apps: [...hidden.apps] }),
      ...(options.encryptionKeys && { encryptionKeys: [...hidden.encryptionKeys] }),
      ...(redis && { redis: hidden.redis }),
    };
  } catch {
    return options; // ResolvedWechatOptions reports every problem
  }
}

function isRegistry(
  apps: WechatModuleOptions['apps'] | undefined,
): apps is WechatAppRegistry | Abstract<WechatAppRegistry> {
  return (
    typeof apps === 'function' ||
    (typeof apps === 'object' && apps !== null && 'find' in apps && 'default' in apps)
  );
}

/** Returns every problem of an app, in texts that start with the name of its field and contain no value. */
export function problemsOfApp(app: WechatApp): string[] {
  const check = new Problems((option) => option.slice(1));
  check.app('', app);
  return check.found;
}

export const WECHAT_API_BASE_URL = 'https://api.weixin.qq.com';

/** The console shows the original id (原始ID, `gh_…`) beside the AppID. */
const APP_ID = /^(?!gh_)[0-9A-Za-z_-]{1,64}$/;
const PRINTABLE = /^[\x21-\x7e]{1,256}$/;
const KEY_PREFIX = /^[\x21-\x7e]{1,64}$/;
const PUSH_TOKEN = /^[0-9A-Za-z]{3,32}$/;
const AES_KEY = /^[0-9A-Za-z]{43}$/;
const PATH = /^(\/[\w.~-]+)+\/?$/;
const KEY_ID = /^[0-9A-Za-z_.-]{1,64}$/;

/** Checks the options, and returns them in the form that `ResolvedWechatOptions` has. */
class Problems extends OptionProblems {
  apps(apps: WechatApp[] | undefined): readonly WechatApp[] {
    if (!Array.isArray(apps) || apps.length === 0) {
      this.expect(false, 'apps', 'must name at least one app, with appId, secret and kind');
      return [];
    }
    apps.forEach((app, i) => this.app(`apps[${i}]`, app));
    this.expect(allDiffer(apps.map((app) => app?.appId)), 'apps', 'must not name an appId twice');
    this.expect(
      allDiffer(apps.flatMap((app) => app?.name ?? [])),
      'apps',
      'must not use a name twice',
    );
    return apps;
  }

  app(at: string, app: WechatApp | undefined): void {
    this.expect(APP_ID.test(app?.appId ?? ''), `${at}.appId`, 'is not an AppID (wx…)');
    this.expect(
      PRINTABLE.test(app?.secret ?? ''),
      `${at}.secret`,
      'is not an AppSecret: it is empty or too long, or has white space or a line break',
    );
    this.oneOf(`${at}.kind`, app?.kind, ['mini-program', 'mobile', 'website']);
    if (app?.push) this.pushOf(`${at}.push`, app.push);
  }

  private pushOf(at: string, { token, aesKeys = [] }: WechatPush): void {
    this.expect(PUSH_TOKEN.test(token), `${at}.token`, 'must be 3 to 32 letters and digits');
    this.expect(
      Array.isArray(aesKeys) && aesKeys.every((aesKey) => AES_KEY.test(aesKey)),
      `${at}.aesKeys`,
      'must be EncodingAESKeys: 43 letters and digits each',
    );
  }

  path(option: string, path: string | false): string | undefined {
    if (path === false) return undefined;
    this.expect(PATH.test(path), option, "must be a path such as '/wechat/push', without a query");
    return path.replace(/\/+$/, '');
  }

  baseUrl(baseUrl: string): string {
    const url = readSafeUrl(baseUrl);
    this.expect(
      url && !url.search && !url.hash,
      'api.baseUrl',
      'must be an https URL (http for loopback only)',
    );
    return baseUrl.replace(/\/+$/, '');
  }

  duration(option: string, value: Duration, atLeast: number): number {
    const duration = parseDuration(value);
    this.expect(
      duration !== undefined && duration >= atLeast,
      option,
      "is not a duration such as '30m', '7d' or '500ms'",
    );
    return duration ?? 0;
  }

  count(option: string, value: number): number {
    this.expect(Number.isInteger(value) && value > 0, option, 'must be a whole number above 0');
    return value;
  }

  oneOf<T extends string>(option: string, value: T | undefined, allowed: T[]): T {
    this.expect(allowed.includes(value as T), option, `must be one of: ${allowed.join(', ')}`);
    return value as T;
  }

  encryptionKeys(keys: WechatEncryptionKey[]): readonly WechatEncryptionKey[] {
    keys.forEach(({ id, key }, i) => {
      this.expect(
        KEY_ID.test(id),
        `encryptionKeys[${i}].id`,
        'must be 1 to 64 of the characters 0-9 a-z A-Z _ . -',
      );
      this.expect(
        Buffer.isBuffer(key) && key.length === 32,
        `encryptionKeys[${i}].key`,
        'must be 32 bytes',
      );
    });
    this.expect(allDiffer(keys.map(({ id }) => id)), 'encryptionKeys', 'must not use an id twice');
    return keys;
  }

  redis(redis: WechatModuleOptions['redis']): WechatModuleOptions['redis'] {
    if (!redis) return undefined;
    this.expect(
      redis.keyPrefix === undefined || KEY_PREFIX.test(redis.keyPrefix),
      'redis.keyPrefix',
      'must be 1 to 64 printable ASCII characters without spaces',
    );
    if ('client' in redis) {
      this.report('redis.client', problemOfRedisClient(redis.client));
      return redis;
    }
    this.report('redis.url', problemOfRedisUrls([redis.url].flat()));
    const { waitReplicas = 0 } = redis;
    this.expect(
      Number.isInteger(waitReplicas) && waitReplicas >= 0,
      'redis.waitReplicas',
      'must be a whole number',
    );
    return redis;
  }
}

function allDiffer(values: unknown[]): boolean {
  return new Set(values).size === values.length;
}
