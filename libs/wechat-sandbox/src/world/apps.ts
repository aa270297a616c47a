import type { Duration } from './clock.js';
import { SandboxError } from './sandbox-error.js';

/** An app as a team registers it at WeChat. */
export interface SandboxAppOptions {
  /** `wx` and 16 hex digits at WeChat; the sandbox takes any non-empty text. */
  appId: string;
  /** AppSecret. */
  secret: string;
  /** `mobile` stands for mobile and website apps of the open platform alike. @default 'mini-program' */
  kind?: 'mini-program' | 'mobile';
  /** Shown on the consent page. @default the appId */
  name?: string;
  /** The open-platform account the app is bound to; apps of one account share unionids. `false`: not bound, no unionid. @default true */
  openPlatform?: string | boolean;
  /** The pages of the released version, for `check_path` of the QR codes. @default ['pages/index/index'] */
  releasedPages?: string[];
  /** Addresses that may ask for an access token; others get 40164. @default everyone may */
  ipWhitelist?: string[];
  /** Host names that `redirect_uri` of the consent pages may have. @default any */
  redirectDomains?: string[];
  /** Life of an OAuth refresh token: 30 days by the website's page, 180 by the mobile app's. @default '30d' */
  refreshTokenLife?: Duration;
}

/** A registered app with its defaults filled in. */
export type SandboxApp = Required<Omit<SandboxAppOptions, 'openPlatform'>> & {
  /** Name of the open-platform account, if the app is bound to one. */
  openPlatform?: string;
};

/** What `startWechatSandbox()` registers when it is given no apps: a mini program and a mobile app of one company. */
export const DEFAULT_APPS: readonly SandboxAppOptions[] = [
  {
    appId: 'wx5a4db0c1e2f37608',
    secret: '0c6f1a7be94d4f21a3d85b9e7264c8f0',
    kind: 'mini-program',
    name: '示例小程序',
  },
  {
    appId: 'wxd19e84c63b7a2f50',
    secret: '9b3e5d7082c14a6fb1f06e2d48a7c935',
    kind: 'mobile',
    name: '示例应用',
  },
];

/** All apps of one sandbox. */
export class Apps {
  readonly all: readonly SandboxApp[];

  constructor(options: readonly SandboxAppOptions[]) {
    this.all = options.map(withDefaults);
    const twice = this.all.find(
      (app, i) => this.all.findIndex((other) => other.appId === app.appId) !== i,
    );
    if (twice)
      throw new SandboxError(`Two apps have the appId ${twice.appId}. Give each app its own.`);
  }

  /** The app, if WeChat knows it. */
  find(appId: unknown): SandboxApp | undefined {
    return this.all.find((app) => app.appId === appId);
  }

  /** The app of this kind that a test means: the named one, else the first. */
  pick(kind: SandboxApp['kind'], appId?: string): SandboxApp {
    const candidates = this.all.filter((app) => app.kind === kind);
    const app =
      appId === undefined
        ? candidates[0]
        : candidates.find((candidate) => candidate.appId === appId);
    if (app) return app;
    const known = candidates.map((candidate) => candidate.appId).join(', ') || 'none';
    throw new SandboxError(
      `There is no ${kind} app ${appId ?? ''} in this sandbox (known: ${known}). Add it to startWechatSandbox({ apps }).`,
    );
  }
}

function withDefaults(options: SandboxAppOptions): SandboxApp {
  const { appId, secret, openPlatform = true } = options;
  if (!appId || !secret)
    throw new SandboxError('An app needs an appId and a secret: { appId: "wx…", secret: "…" }.');
  return {
    appId,
    secret,
    kind: options.kind ?? 'mini-program',
    name: options.name ?? appId,
    releasedPages: options.releasedPages ?? ['pages/index/index'],
    ipWhitelist: options.ipWhitelist ?? [],
    redirectDomains: options.redirectDomains ?? [],
    refreshTokenLife: options.refreshTokenLife ?? '30d',
    ...(openPlatform && { openPlatform: openPlatform === true ? 'default' : openPlatform }),
  };
}
