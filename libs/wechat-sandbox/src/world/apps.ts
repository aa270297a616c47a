import { randomBytes } from 'node:crypto';
import type { Duration } from './clock.js';
import { pushConfig } from './push.js';
import type { PushConfig, PushOptions } from './push.js';
import { SandboxError } from './sandbox-error.js';
import { templatesOf } from './templates.js';
import type { Template, TemplateOptions } from './templates.js';

/** An app as it is registered at WeChat. */
export interface SandboxAppOptions {
  /** `wx` and 16 hex digits at WeChat. The sandbox accepts any text that is not empty. */
  appId: string;
  /** AppSecret. */
  secret: string;
  /** `mobile` and `website` are apps of the open platform. Both have OAuth and a consent page. @default 'mini-program' */
  kind?: 'mini-program' | 'mobile' | 'website';
  /** Shown on the consent page. @default the appId */
  name?: string;
  /** The open-platform account of the app. Apps of one account share unionids. `false`: no account, so no unionid. @default true */
  openPlatform?: string | boolean;
  /** The pages of the released version. Codes, links and subscribe messages open no other page. @default ['pages/index/index', 'pages/order/order'] */
  releasedPages?: string[];
  /** IP addresses that may request an access token. Others get 40164. @default all */
  ipWhitelist?: string[];
  /** Host names that `redirect_uri` of the consent pages may have. @default any */
  redirectDomains?: string[];
  /** Templates of subscribe messages (订阅消息). @default none */
  templates?: TemplateOptions[];
  /** Whether the app must upload shipping information (发货信息管理). @default true */
  tradeManaged?: boolean;
  /** Lifetime of an OAuth refresh token: 30 days by WeChat's website page, 180 days by its mobile page. @default '30d' */
  refreshTokenLife?: Duration;
  /** Message push (消息推送). @default none */
  push?: PushOptions;
}

/** A registered app with its defaults filled in. */
export type SandboxApp = Required<
  Omit<SandboxAppOptions, 'openPlatform' | 'push' | 'templates'>
> & {
  templates: readonly Template[];
  /** Name of the open-platform account, if the app is bound to one. */
  openPlatform?: string;
  /** The message push that it started with. */
  push?: PushConfig;
};

/** The apps of `startWechatSandbox()` without `apps`: a mini program and a mobile app of one company. */
export const DEFAULT_APPS: readonly SandboxAppOptions[] = [
  {
    appId: 'wx5a4db0c1e2f37608',
    secret: '0c6f1a7be94d4f21a3d85b9e7264c8f0',
    kind: 'mini-program',
    name: '示例小程序',
    templates: [
      {
        id: 'Sandbox_order_paid_0000000000000000000000000',
        title: '订单支付成功通知',
        keys: ['thing1', 'amount2', 'time3', 'character_string4'],
      },
    ],
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
      throw new SandboxError(
        `Two apps have the appId ${twice.appId}. Give each app a different one.`,
      );
  }

  /** Returns the app with this appId, or undefined. */
  find(appId: unknown): SandboxApp | undefined {
    return this.all.find((app) => app.appId === appId);
  }

  /** Replaces the AppSecret, as 重置 in the console does. Returns the new one. Access tokens stay valid. */
  resetSecret(appId: string): string {
    const app = this.find(appId);
    if (!app) throw new SandboxError(`There is no app ${appId} in this sandbox.`);
    return (app.secret = randomBytes(16).toString('hex'));
  }

  /** Returns the named app, or the first app of this kind. Throws if there is none. */
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
    releasedPages: options.releasedPages ?? ['pages/index/index', 'pages/order/order'],
    ipWhitelist: options.ipWhitelist ?? [],
    redirectDomains: options.redirectDomains ?? [],
    tradeManaged: options.tradeManaged ?? true,
    templates: templatesOf(appId, options.templates ?? []),
    refreshTokenLife: options.refreshTokenLife ?? '30d',
    ...(options.push && { push: pushConfig(appId, options.push) }),
    ...(openPlatform && { openPlatform: openPlatform === true ? 'default' : openPlatform }),
  };
}
