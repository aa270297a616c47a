import { ENV_FILE_HINT } from './env-file-hint.js';
import { splitRedisUrls } from './store/redis/redis.url.js';
import { WechatConfigError } from './wechat.errors.js';
import { ResolvedWechatOptions, withHiddenSecrets } from './wechat.options.js';
import type { WechatApp, WechatEncryptionKey, WechatModuleOptions } from './wechat.options.js';

/** The variable of each option, so that a problem names what the operator can change. */
const VARIABLES: Record<string, string> = {
  'api.baseUrl': 'WECHAT_API_BASE_URL',
  'api.timeout': 'WECHAT_API_TIMEOUT',
  'api.accessTokenMode': 'WECHAT_ACCESS_TOKEN_MODE',
  'session.ttl': 'WECHAT_SESSION_TTL',
  'session.maxAge': 'WECHAT_SESSION_MAX_AGE',
  'session.refreshGrace': 'WECHAT_SESSION_REFRESH_GRACE',
  'session.maxPerUser': 'WECHAT_SESSION_MAX_PER_USER',
  'openData.maxAge': 'WECHAT_OPEN_DATA_MAX_AGE',
  'push.path': 'WECHAT_PUSH_PATH',
  'push.maxAge': 'WECHAT_PUSH_MAX_AGE',
  encryptionKeys: 'WECHAT_ENCRYPTION_KEYS',
  'redis.url': 'REDIS_URL',
  'redis.waitReplicas': 'REDIS_WAIT_REPLICAS',
  'redis.keyPrefix': 'WECHAT_KEY_PREFIX',
  apps: 'WECHAT_MINI_APP_ID, WECHAT_MOBILE_APP_ID, WECHAT_WEBSITE_APP_ID, WECHAT_APPS',
};

/**
 * Reads the options of WechatModule from `WECHAT_*`, `REDIS_URL` and `REDIS_WAIT_REPLICAS`. It is the only reader of these
 * variables. An empty variable counts as absent.
 *
 * @param environment usually `process.env`
 * @param options
 * @param options.apps replaces the apps of the variables, for example by a `WechatAppRegistry`
 * @throws WechatConfigError with every problem at once. It names the variables and never a value.
 * @example
 * ```ts
 * WechatModule.forRootAsync({ useFactory: () => wechatOptionsFromEnv(process.env) })
 * ```
 */
export function wechatOptionsFromEnv<Apps extends WechatModuleOptions['apps'] = WechatApp[]>(
  environment: Record<string, string | undefined>,
  { apps: registry }: { apps?: Apps } = {},
): WechatModuleOptions & { apps: Apps } {
  if (typeof (environment as { get?: unknown } | null)?.get === 'function')
    throw new WechatConfigError([
      'wechatOptionsFromEnv takes the variables themselves, not a ConfigService: pass process.env, into which ConfigModule reads the .env file',
    ]);
  const env: Record<string, string | undefined> = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value?.trim()),
  );
  const problems: string[] = [];
  const apps = [
    ...pairedApp(env, 'mini-program', problems),
    ...pairedApp(env, 'mobile', problems),
    ...pairedApp(env, 'website', problems),
  ];
  const prefixes = apps.map(({ kind }) => APP_VARIABLES[kind]);
  apps.push(...furtherApps(env['WECHAT_APPS'], problems));
  const pushApp = addPush(apps, env, problems);
  const hasAppProblem = problems.length > 0;

  const options: WechatModuleOptions = {
    apps: registry ?? apps,
    api: {
      baseUrl: env['WECHAT_API_BASE_URL'],
      timeout: env['WECHAT_API_TIMEOUT'],
      accessTokenMode: env['WECHAT_ACCESS_TOKEN_MODE'] as 'stable' | undefined,
    },
    session: {
      ttl: env['WECHAT_SESSION_TTL'],
      maxAge: env['WECHAT_SESSION_MAX_AGE'],
      refreshGrace: env['WECHAT_SESSION_REFRESH_GRACE'],
      maxPerUser:
        env['WECHAT_SESSION_MAX_PER_USER'] === undefined
          ? undefined
          : Number(env['WECHAT_SESSION_MAX_PER_USER']),
    },
    push: { path: env['WECHAT_PUSH_PATH'], maxAge: env['WECHAT_PUSH_MAX_AGE'] },
    openData: { maxAge: env['WECHAT_OPEN_DATA_MAX_AGE'] },
    encryptionKeys: encryptionKeys(env['WECHAT_ENCRYPTION_KEYS'], problems),
    redis: redisOf(env, problems),
  };

  problems.push(
    ...problemsOf(options, (option) => variableOf(option, prefixes, pushApp))
      .filter((problem) => !(hasAppProblem && isWithoutApp(problem)))
      .map((problem) => (isWithoutApp(problem) ? `${problem}. ${ENV_FILE_HINT}` : problem)),
  );
  if (problems.length > 0) throw new WechatConfigError(problems);
  return withHiddenSecrets(options) as WechatModuleOptions & { apps: Apps };
}

const isWithoutApp = (problem: string): boolean => problem.includes('at least one app');

function problemsOf(options: WechatModuleOptions, nameOf: (option: string) => string): string[] {
  try {
    new ResolvedWechatOptions(options, nameOf);
    return [];
  } catch (error) {
    return (error as WechatConfigError).problems;
  }
}

/**
 * Returns the variable of an option. `apps[0].secret` is `WECHAT_MINI_APP_SECRET` if the first app was read from that pair of
 * variables, else `WECHAT_APPS[0].secret`.
 *
 * @param prefixes the prefix of the pair of variables for each app that was read from a pair
 * @param pushApp the index of the app whose push was read from its own variables
 */
function variableOf(option: string, prefixes: string[], pushApp: number): string {
  const [, index, field] = /^apps\[(\d+)\]\.([\w.]+)$/.exec(option) ?? [];
  if (index !== undefined) {
    if (Number(index) === pushApp && field?.startsWith('push.'))
      return field === 'push.token' ? 'WECHAT_PUSH_TOKEN' : 'WECHAT_PUSH_AES_KEY';
    const prefix = prefixes[Number(index)];
    return prefix
      ? `${prefix}_${field === 'secret' ? 'SECRET' : 'ID'}`
      : `WECHAT_APPS[${Number(index) - prefixes.length}].${field}`;
  }
  return VARIABLES[option] ?? option.replace(/^encryptionKeys/, 'WECHAT_ENCRYPTION_KEYS');
}

/** The start of the two variables of the default app of each kind. */
const APP_VARIABLES: Record<WechatApp['kind'], string> = {
  'mini-program': 'WECHAT_MINI_APP',
  mobile: 'WECHAT_MOBILE_APP',
  website: 'WECHAT_WEBSITE_APP',
};

function pairedApp(
  env: Record<string, string | undefined>,
  kind: WechatApp['kind'],
  problems: string[],
): WechatApp[] {
  const prefix = APP_VARIABLES[kind];
  const appId = env[`${prefix}_ID`];
  const secret = env[`${prefix}_SECRET`];
  if (appId && secret) return [{ appId, secret, kind }];
  if (appId) problems.push(`${prefix}_SECRET is required with ${prefix}_ID`);
  if (secret) problems.push(`${prefix}_ID is required with ${prefix}_SECRET`);
  return [];
}

/**
 * Adds the push of `WECHAT_PUSH_TOKEN` to the first mini program.
 *
 * @returns the index of this app, or -1
 */
function addPush(
  apps: WechatApp[],
  env: Record<string, string | undefined>,
  problems: string[],
): number {
  const { WECHAT_PUSH_TOKEN: token, WECHAT_PUSH_AES_KEY: aesKeys } = env;
  if (aesKeys && !token) problems.push('WECHAT_PUSH_TOKEN is required with WECHAT_PUSH_AES_KEY');
  if (!token) return -1;
  const index = apps.findIndex(({ kind }) => kind === 'mini-program');
  const app = apps[index];
  if (!app) problems.push('WECHAT_PUSH_TOKEN needs a mini program: set WECHAT_MINI_APP_ID');
  else if (app.push)
    problems.push(
      'WECHAT_PUSH_TOKEN and the "push" of the first mini program in WECHAT_APPS exclude each other',
    );
  else
    app.push = { token, ...(aesKeys && { aesKeys: aesKeys.split(',').map((key) => key.trim()) }) };
  return index;
}

function redisOf(
  env: Record<string, string | undefined>,
  problems: string[],
): WechatModuleOptions['redis'] {
  const { REDIS_URL: urls, REDIS_WAIT_REPLICAS: replicas, WECHAT_KEY_PREFIX: keyPrefix } = env;
  if (Number(replicas ?? 0) !== 0 && !urls) problems.push('REDIS_WAIT_REPLICAS needs REDIS_URL');
  if (!urls) return undefined;
  return {
    url: splitRedisUrls(urls),
    ...(replicas && { waitReplicas: Number(replicas) }),
    ...(keyPrefix && { keyPrefix }),
  };
}

function furtherApps(text: string | undefined, problems: string[]): WechatApp[] {
  if (text === undefined) return [];
  const apps = parseJson(text);
  if (Array.isArray(apps) && apps.every(isApp)) return apps;
  problems.push('WECHAT_APPS is not a JSON array of {"appId","secret","kind","name","push"}');
  return [];
}

function isApp(app: unknown): app is WechatApp {
  if (typeof app !== 'object' || app === null) return false;
  return Object.entries(app).every(([field, value]) =>
    field === 'push'
      ? isPush(value)
      : ['appId', 'secret', 'kind', 'name'].includes(field) && typeof value === 'string',
  );
}

function isPush(push: unknown): boolean {
  if (typeof push !== 'object' || push === null) return false;
  return Object.entries(push).every(([field, value]) =>
    field === 'aesKeys'
      ? Array.isArray(value) && value.every((key) => typeof key === 'string')
      : field === 'token' && typeof value === 'string',
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function encryptionKeys(
  text: string | undefined,
  problems: string[],
): WechatEncryptionKey[] | undefined {
  const keys = text?.split(',').map((part) => {
    const [id = '', base64 = ''] = part.trim().split(/:(.*)/s);
    const key = Buffer.from(base64, 'base64');
    return { id, key, valid: key.length === 32 && key.toString('base64') === base64 };
  });
  if (keys?.every(({ valid }) => valid)) return keys.map(({ id, key }) => ({ id, key }));
  if (keys)
    problems.push(
      'WECHAT_ENCRYPTION_KEYS must be comma-separated id:base64(32 bytes); make a key with: openssl rand -base64 32',
    );
  return undefined;
}
