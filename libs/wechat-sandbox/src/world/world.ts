import { AccessTokens } from './access-tokens.js';
import { Apps, DEFAULT_APPS, type SandboxAppOptions } from './apps.js';
import { SandboxClock, type Duration } from './clock.js';
import { OneTimeCodes } from './codes.js';
import { newCode, newPhoneCode } from './ids.js';
import { OAuthGrants } from './oauth-grants.js';
import { DEFAULT_QUOTAS, Quotas, type Quota } from './quotas.js';
import { SessionKeys } from './session-keys.js';
import type { Consent, UserCode, UserWorld } from './user.js';
import { Users } from './users.js';

/** The rules and the people of one fake WeChat. */
export interface WorldOptions {
  /** The registered apps. @default {@link DEFAULT_APPS}, a mini program and a mobile app */
  apps?: readonly SandboxAppOptions[];
  /** A clock to share, for example with the app under test. @default one of its own */
  clock?: SandboxClock;
  /** A login this soon after the user's key was last renewed keeps the session_key. @default '0s', every login renews it */
  sessionKeyMinInterval?: Duration;
  /** Limits by path, for example `{ '/cgi-bin/token': { perDay: 3 } }`; they replace WeChat's own for that path. */
  quotas?: Readonly<Record<string, Quota>>;
  /** Codes of `getwxacode` and `createwxaqrcode` together before 45029. @default 100000 */
  qrCodeLimit?: number;
  /** JSON type of `countryCode` in the answer of getuserphonenumber: a string in the documents, a number in some answers. @default 'string' */
  countryCodeAs?: 'string' | 'number';
  /** Starts with the users alice, bob and mallory (whom risk control blocks). @default false */
  demoUsers?: boolean;
}

/** All that WeChat knows. No HTTP here. */
export class World implements UserWorld {
  readonly clock: SandboxClock;
  readonly apps: Apps;
  readonly users: Users;
  readonly sessionKeys: SessionKeys;
  readonly loginCodes: OneTimeCodes<UserCode>;
  readonly phoneCodes: OneTimeCodes<UserCode>;
  readonly oauthCodes: OneTimeCodes<Consent>;
  readonly accessTokens: AccessTokens;
  readonly grants: OAuthGrants;
  readonly quotas: Quotas;
  readonly qrCodeLimit: number;
  readonly countryCodeAs: 'string' | 'number';
  /** Set by the sandbox, since WeChat Pay sends notifications. */
  pay: UserWorld['pay'];

  constructor(options: WorldOptions) {
    this.clock = options.clock ?? new SandboxClock();
    this.apps = new Apps(options.apps ?? DEFAULT_APPS);
    this.sessionKeys = new SessionKeys(this.clock, options.sessionKeyMinInterval ?? 0);
    this.loginCodes = new OneTimeCodes(this.clock, '5m', newCode);
    this.phoneCodes = new OneTimeCodes(this.clock, '5m', newPhoneCode);
    this.oauthCodes = new OneTimeCodes(this.clock, '10m', newCode);
    this.accessTokens = new AccessTokens(this.clock);
    this.grants = new OAuthGrants(this.clock);
    this.quotas = new Quotas(this.clock, { ...DEFAULT_QUOTAS, ...options.quotas });
    this.qrCodeLimit = options.qrCodeLimit ?? 100_000;
    this.countryCodeAs = options.countryCodeAs ?? 'string';
    this.users = new Users(this);
    if (options.demoUsers) this.users.createDemoUsers();
  }
}
