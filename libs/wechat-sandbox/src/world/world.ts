import { AccessTokens } from './access-tokens.js';
import { Apps, DEFAULT_APPS } from './apps.js';
import type { SandboxAppOptions } from './apps.js';
import { SandboxClock } from './clock.js';
import type { Duration } from './clock.js';
import { OneTimeCodes } from './codes.js';
import { newCode, newPhoneCode } from './ids.js';
import { OAuthGrants } from './oauth-grants.js';
import { CustomerSessions } from './customer-sessions.js';
import type { PushEmitter } from './push.js';
import { DEFAULT_QUOTAS, Quotas } from './quotas.js';
import type { Quota } from './quotas.js';
import { SessionKeys } from './session-keys.js';
import { Subscriptions } from './subscriptions.js';
import type { Consent, UserCode, UserWorld } from './user.js';
import { Users } from './users.js';

/** The apps, users and limits of one fake WeChat platform. */
export interface WorldOptions {
  /** The registered apps. @default {@link DEFAULT_APPS}, a mini program and a mobile app */
  apps?: readonly SandboxAppOptions[];
  /** A clock that is shared, for example with the app under test. @default a new clock */
  clock?: SandboxClock;
  /** A login within this time after the last change keeps the session_key. @default '0s', every login replaces it */
  sessionKeyMinInterval?: Duration;
  /** Limits by path, for example `{ '/cgi-bin/token': { perDay: 3 } }`. They replace WeChat's limits for this path. */
  quotas?: Readonly<Record<string, Quota>>;
  /** How many codes `getwxacode` and `createwxaqrcode` draw together before 45029. @default 100000 */
  qrCodeLimit?: number;
  /** JSON type of `countryCode` from getuserphonenumber: a string in WeChat's documents, a number in some of its responses. @default 'string' */
  countryCodeAs?: 'string' | 'number';
  /** Creates the users alice, bob and mallory (blocked by risk control) at the start. @default false */
  demoUsers?: boolean;
}

/** The state of the platform: apps, users, codes, tokens and quotas. It does not use HTTP. */
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
  readonly subscriptions: Subscriptions;
  readonly customers: CustomerSessions;
  readonly qrCodeLimit: number;
  readonly countryCodeAs: 'string' | 'number';
  /** Set by the sandbox, since WeChat Pay sends notifications. */
  pay: UserWorld['pay'];
  /** Set by the sandbox, since pushes need HTTP. */
  pushes?: PushEmitter;

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
    this.subscriptions = new Subscriptions(this.apps);
    this.customers = new CustomerSessions(this.clock);
    this.qrCodeLimit = options.qrCodeLimit ?? 100_000;
    this.countryCodeAs = options.countryCodeAs ?? 'string';
    this.users = new Users(this);
    if (options.demoUsers) this.users.createDemoUsers();
  }
}
