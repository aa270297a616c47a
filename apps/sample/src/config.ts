import { validateSync } from 'class-validator';
import type { FastifyServerOptions } from 'fastify';
import { createSecretKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { parseDuration, WechatConfigError, wechatOptionsFromEnv } from 'nestjs-wechat';
import type { WechatApp, WechatModuleOptions } from 'nestjs-wechat';
import { wechatPayOptionsFromEnv } from 'nestjs-wechat/pay';
import type { WechatPayOptions } from 'nestjs-wechat/pay';
import { parseSize } from './common/size.js';
import { readStorage } from './files/storage-url.js';
import type { StorageConfig } from './files/storage-url.js';
import { readPaidMessage } from './shop/paid-message.js';
import type { PaidMessage } from './shop/paid-message.js';
import { Variables } from './variables.js';
import type { ContentCheck } from './variables.js';

export type Environment = Record<string, string | undefined>;

/** A PostgreSQL server, or an embedded database in a folder. */
export type DatabaseConfig = { url: string } | { dir: string };

type TrustProxy = FastifyServerOptions['trustProxy'];

/** The settings of the app. Inject it where a value is needed. */
export class AppConfig {
  readonly production: boolean;
  readonly port: number;
  /** The base URL that clients use, without a final slash; `undefined` if it is not set. */
  readonly publicUrl: string | undefined;
  readonly wechat: WechatModuleOptions & { apps: WechatApp[] };
  /** If it is not set, the shop is closed. */
  readonly pay?: WechatPayOptions;
  /** How long an unpaid order stays open. */
  readonly orderTtlMs: number;
  /** The subscribe message of a paid order; `undefined`: none is sent. */
  readonly paidMessage?: PaidMessage;
  /** What WeChat checks before other users get it. `text`: nicknames only. */
  readonly contentCheck: ContentCheck;
  /** How many files, and how many names, of one user WeChat checks in a day; 0 means no limit. */
  readonly contentCheckLimit: number;
  readonly database: DatabaseConfig;
  /** Whether frequent queries are prepared statements of PostgreSQL. */
  readonly preparedStatements: boolean;
  /** The Redis of the cache. If it is not set, the library caches in this process. */
  readonly cacheRedisUrl?: string;
  /** The secret is a key object: it does not print its bytes, and jsonwebtoken is faster with it than with text. */
  readonly jwt: { secret: KeyObject; isLasting: boolean; ttlMs: number };
  /** How long after its last verification a phone number links accounts. */
  readonly phoneTrustMs: number;
  /** Where recordings and pictures are stored. */
  readonly storage: StorageConfig;
  /** The local folder of files that are being received. It is the folder of the storage if that is one. */
  readonly uploadDir: string;
  /** The maximum total size of one user's recordings, in bytes. */
  readonly uploadQuota: number;
  /** The maximum number of recordings of one user. */
  readonly uploadMaxFiles: number;
  /** How long a file without a row stays in the trash. */
  readonly uploadTrashAgeMs: number;
  /** How long requests are served after SIGTERM. */
  readonly shutdownDrainMs: number;
  /** Logins per minute and IP address; 0 means no limit. */
  readonly loginRateLimit: number;
  /** Mini-program codes per minute and user; 0 means no limit. */
  readonly qrCodeRateLimit: number;
  /** Orders, and actions on them, per hour and user; 0 means no limit. */
  readonly orderRateLimit: number;
  /** Whether `/docs` and `/docs-json` are served. */
  readonly apiDocs: boolean;
  /** The proxies whose X-Forwarded-For is trusted, as Fastify's option. */
  readonly trustProxy: TrustProxy;
  readonly logLevel: string;
  /** Whether spans and metrics are sent to a collector. OpenTelemetry itself reads its address and the other settings. */
  readonly telemetry: boolean;

  constructor(values: AppConfig) {
    Object.assign(this, values);
  }
}

/** All problems of the environment. The text has names of variables, never a value. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(
      `The environment has errors. .env.example explains every variable.\n${problems.map((one) => `  - ${one}`).join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

/** Where WeChat Pay sends its notifications, below PUBLIC_URL. */
const NOTIFY_PATH = '/wechat/pay/notify';

/** Adds the variables of a `.env` file to those of the process. Variables of the process win. */
export function loadEnvironment(): Environment {
  if (existsSync('.env')) process.loadEnvFile();
  return process.env;
}

/**
 * Reads the whole configuration from the environment.
 * @throws ConfigError with every problem at once, those of WeChat's variables included
 */
export function readConfig(env: Environment): AppConfig {
  const variables = Object.assign(new Variables(), present(env));
  const problems = validateSync(variables).flatMap(({ constraints }) =>
    Object.values(constraints ?? {}),
  );
  const wechat = collecting(problems, () => wechatOptionsFromEnv(env));
  const pay = collecting(problems, () => wechatPayOptionsFromEnv(withNotifyUrl(present(env))));
  const paidMessage = collecting(problems, () => readPaidMessage(variables.SUBSCRIBE_ORDER_PAID));
  const storage = collecting(problems, () => readStorage(variables));
  const receivesVerdicts =
    variables.PUBLIC_URL !== undefined && wechat?.apps.find(isMiniProgram)?.push !== undefined;
  if (variables.CONTENT_CHECK === 'on' && wechat && !receivesVerdicts)
    problems.push(
      'CONTENT_CHECK=on needs PUBLIC_URL and WECHAT_PUSH_TOKEN: WeChat downloads the files from the one and pushes its verdicts by the other',
    );
  if (problems.length > 0 || !wechat || !storage) throw new ConfigError(problems);
  const production = variables.NODE_ENV === 'production';
  return new AppConfig({
    production,
    port: Number(variables.PORT),
    publicUrl: variables.PUBLIC_URL?.replace(/\/+$/, ''),
    wechat,
    pay,
    paidMessage,
    contentCheck: variables.CONTENT_CHECK ?? (receivesVerdicts ? 'on' : 'off'),
    contentCheckLimit: Number(variables.CONTENT_CHECK_LIMIT),
    orderTtlMs: parseDuration(variables.ORDER_TTL) ?? 0,
    database: variables.DATABASE_URL ? { url: variables.DATABASE_URL } : { dir: './var/db' },
    preparedStatements: variables.DATABASE_PREPARED_STATEMENTS === 'on',
    cacheRedisUrl: variables.CACHE_REDIS_URL,
    jwt: {
      secret: variables.JWT_SECRET
        ? createSecretKey(variables.JWT_SECRET, 'utf8')
        : createSecretKey(randomBytes(32)),
      isLasting: variables.JWT_SECRET !== undefined,
      ttlMs: parseDuration(variables.JWT_TTL) ?? 0,
    },
    phoneTrustMs: parseDuration(variables.PHONE_TRUST) ?? 0,
    storage,
    uploadDir: 'dir' in storage ? storage.dir : variables.UPLOAD_DIR,
    uploadQuota: parseSize(variables.UPLOAD_QUOTA) ?? 0,
    uploadMaxFiles: Number(variables.UPLOAD_MAX_FILES),
    shutdownDrainMs: parseDuration(variables.SHUTDOWN_DRAIN) ?? 0,
    uploadTrashAgeMs: parseDuration(variables.UPLOAD_TRASH_AGE) ?? 0,
    loginRateLimit: Number(variables.LOGIN_RATE_LIMIT),
    qrCodeRateLimit: Number(variables.QRCODE_RATE_LIMIT),
    orderRateLimit: Number(variables.ORDER_RATE_LIMIT),
    apiDocs: (variables.API_DOCS ?? (production ? 'off' : 'on')) === 'on',
    trustProxy: trustProxyFrom(variables.TRUST_PROXY),
    logLevel: variables.LOG_LEVEL,
    telemetry: variables.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined,
  });
}

const isMiniProgram = ({ kind }: WechatApp): boolean => kind === 'mini-program';

function collecting<Options>(problems: string[], read: () => Options): Options | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WechatConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/** The default of WECHAT_PAY_NOTIFY_URL, if another variable of WeChat Pay is set. */
function withNotifyUrl(env: Environment): Environment {
  const { PUBLIC_URL } = env;
  const hasPay = Object.keys(env).some((name) => name.startsWith('WECHAT_PAY_'));
  if (!hasPay || PUBLIC_URL === undefined) return env;
  return { WECHAT_PAY_NOTIFY_URL: PUBLIC_URL.replace(/\/+$/, '') + NOTIFY_PATH, ...env };
}

/** An empty variable counts as absent, because a copy of `.env.example` has empty variables. */
function present(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
}

/** A number is the number of proxies. Any other text is a list of their addresses. */
function trustProxyFrom(text: string | undefined): TrustProxy {
  const hops = Number(text);
  return Number.isInteger(hops) ? (_address, hop) => hop < hops : text;
}
