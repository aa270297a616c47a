import {
  IsByteLength,
  IsIn,
  IsOptional,
  IsPort,
  Matches,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { isIP } from 'node:net';
import { parseDuration } from 'nestjs-wechat';
import { createClient } from 'redis';
import { parseSize } from './common/size.js';

/** `on`: nicknames, pictures and recordings. `text`: nicknames. */
export type ContentCheck = 'on' | 'text' | 'off';

/** As long as the output of HMAC-SHA256. A shorter secret can be guessed offline from one token. */
export const MIN_JWT_SECRET_BYTES = 32;

/** WeChat Pay takes an order for at most seven days. Milliseconds. */
const ORDER_TTL_LIMITS = { min: 60_000, max: 7 * 24 * 3600_000 };

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

const IsDuration = (message: string, { min = 1, max = Infinity } = {}): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isDuration',
      validator: {
        validate: (value) => {
          const ms = parseDuration(String(value)) ?? -1;
          return ms >= min && ms <= max;
        },
      },
    },
    { message },
  );

const IsSize = (message: string): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isSize',
      validator: { validate: (value) => parseSize(String(value)) !== undefined },
    },
    { message },
  );

const IsProxyList = (message: string): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isProxyList',
      validator: {
        validate: (value) => /^\d{1,3}$/.test(value) || addressesOf(value).every(isAddress),
      },
    },
    { message },
  );

const IsRedisUrl = (message: string): PropertyDecorator =>
  ValidateBy({ name: 'isRedisUrl', validator: { validate: isRedisUrl } }, { message });

/** The client throws for a URL that it cannot read, and does not connect yet. */
function isRedisUrl(url: string): boolean {
  try {
    createClient({ url });
    return true;
  } catch {
    return false;
  }
}

/** The app's own variables, with their defaults. The library reads those of WeChat. */
export class Variables {
  NODE_ENV?: string;

  @IsPort({ message: 'PORT must be a port number' })
  PORT = '3000';

  @IsOptional()
  @Matches(/^https?:\/\/[^\s/?#]+[^\s?#]*$/, {
    message: 'PUBLIC_URL must be https://… or http://…, without a query',
  })
  PUBLIC_URL?: string;

  @IsOptional()
  @Matches(/^postgres(ql)?:\/\/./, { message: 'DATABASE_URL must be postgres://…' })
  DATABASE_URL?: string;

  @IsIn(['on', 'off'], { message: 'DATABASE_PREPARED_STATEMENTS must be on or off' })
  DATABASE_PREPARED_STATEMENTS = 'on';

  @IsOptional()
  @IsRedisUrl(
    'CACHE_REDIS_URL must be redis://host:6379 or rediss://host:6379, with special characters of user and password percent-encoded',
  )
  CACHE_REDIS_URL?: string;

  @ValidateIf(({ NODE_ENV }: Variables) => NODE_ENV === 'production')
  @IsByteLength(MIN_JWT_SECRET_BYTES, undefined, {
    message: `JWT_SECRET is required when NODE_ENV=production, with at least ${MIN_JWT_SECRET_BYTES} bytes; make one with: openssl rand -base64 32`,
  })
  JWT_SECRET?: string;

  @IsDuration("JWT_TTL is not a duration such as '30m', '12h' or '7d'")
  JWT_TTL = '12h';

  @IsDuration("PHONE_TRUST is not a duration such as '90d'")
  PHONE_TRUST = '90d';

  @IsDuration("ORDER_TTL must be a duration from '1m' to '7d'", ORDER_TTL_LIMITS)
  ORDER_TTL = '15m';

  SUBSCRIBE_ORDER_PAID?: string;

  @IsOptional()
  @IsIn(['on', 'text', 'off'], { message: 'CONTENT_CHECK must be on, text or off' })
  CONTENT_CHECK?: ContentCheck;

  @Matches(/^\d{1,9}$/, { message: 'CONTENT_CHECK_LIMIT must be a whole number; 0 means no limit' })
  CONTENT_CHECK_LIMIT = '500';

  UPLOAD_DIR = './var/uploads';

  STORAGE_URL?: string;

  STORAGE_ACCESS_KEY_ID?: string;

  STORAGE_SECRET_ACCESS_KEY?: string;

  STORAGE_REDIRECT?: string;

  @IsSize("UPLOAD_QUOTA is not a size such as '200MB' or '1GB'")
  UPLOAD_QUOTA = '200MB';

  @Matches(/^[1-9]\d{0,8}$/, { message: 'UPLOAD_MAX_FILES must be a whole number above 0' })
  UPLOAD_MAX_FILES = '200';

  @IsDuration("UPLOAD_TRASH_AGE is not a duration such as '30d' or '12h'")
  UPLOAD_TRASH_AGE = '30d';

  @IsDuration("SHUTDOWN_DRAIN must be a duration from '0s' to '60s'", { min: 0, max: 60_000 })
  SHUTDOWN_DRAIN = '5s';

  @Matches(/^\d{1,9}$/, { message: 'LOGIN_RATE_LIMIT must be a whole number; 0 means no limit' })
  LOGIN_RATE_LIMIT = '120';

  @Matches(/^\d{1,9}$/, { message: 'QRCODE_RATE_LIMIT must be a whole number; 0 means no limit' })
  QRCODE_RATE_LIMIT = '60';

  @Matches(/^\d{1,9}$/, { message: 'ORDER_RATE_LIMIT must be a whole number; 0 means no limit' })
  ORDER_RATE_LIMIT = '10000';

  @IsOptional()
  @IsIn(['on', 'off'], { message: 'API_DOCS must be on or off' })
  API_DOCS?: 'on' | 'off';

  @IsOptional()
  @IsProxyList(
    'TRUST_PROXY must be the number of proxies in front of the app, or their addresses separated by commas',
  )
  TRUST_PROXY?: string;

  @IsIn(LOG_LEVELS, { message: `LOG_LEVEL must be one of: ${LOG_LEVELS.join(', ')}` })
  LOG_LEVEL = 'info';

  @IsOptional()
  @Matches(/^https?:\/\/./, {
    message: 'OTEL_EXPORTER_OTLP_ENDPOINT must be http://… or https://…',
  })
  OTEL_EXPORTER_OTLP_ENDPOINT?: string;
}

const addressesOf = (list: unknown): string[] =>
  String(list)
    .split(',')
    .map((address) => address.trim());

/** An address, a network such as 10.0.0.0/8, or one of the names that Fastify accepts. */
function isAddress(address: string): boolean {
  const [ip = '', bits = '0', ...rest] = address.split('/');
  const family = isIP(ip);
  const network =
    family > 0 &&
    /^\d{1,3}$/.test(bits) &&
    Number(bits) <= (family === 4 ? 32 : 128) &&
    rest.length === 0;
  return network || ['loopback', 'linklocal', 'uniquelocal'].includes(address);
}
