import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit, Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { hash } from 'node:crypto';
import { hideSecrets } from '../hide-secrets.js';
import { createInstance, providedInstance } from '../provided-instance.js';
import { WechatAppRegistry } from '../wechat-app.js';
import type { WechatApp, WechatAppKind } from '../wechat-app.js';
import { WechatClock } from '../wechat.clock.js';
import { WechatAppError, WechatConfigError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { AppRegistryCache } from './app-registry.cache.js';

/** The apps of the application: the list of the options, or what its registry returns. */
@Injectable()
export class WechatApps implements OnModuleInit, OnApplicationShutdown {
  /** Whether apps can change while the application runs. */
  readonly canChange: boolean;
  /** Whether the app of a record still exists. Absent if apps cannot change. */
  readonly isLive?: (record: { appId: string }) => Promise<boolean>;
  private opened?: Promise<AppRegistryCache>;

  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly clock: WechatClock,
    private readonly moduleRef: ModuleRef,
  ) {
    this.canChange = options.appRegistry !== undefined;
    if (this.canChange) this.isLive = async ({ appId }) => (await this.find(appId)) !== undefined;
    hideSecrets(this, 'moduleRef', 'opened');
  }

  /** @throws WechatConfigError if the registry cannot be created */
  async onModuleInit(): Promise<void> {
    if (this.canChange) await this.registry();
  }

  async onApplicationShutdown(): Promise<void> {
    (await this.opened)?.close();
  }

  /**
   * Returns the app with this appId, or without an appId the default app of this kind.
   * @throws WechatAppError if there is none of this kind, and what `find` throws
   */
  async require(kind: WechatAppKind, appId?: string): Promise<WechatApp> {
    if (!this.canChange) return this.options.app(kind, appId);
    const app = await (appId === undefined ? this.default(kind) : this.find(appId));
    if (app?.kind !== kind) throw new WechatAppError('appId');
    return app;
  }

  /** @throws StoreUnavailableError, WechatConfigError if the registry returns an app that is not valid */
  async find(appId: string): Promise<WechatApp | undefined> {
    if (this.canChange) return (await this.registry()).find(appId);
    return this.options.apps.find((app) => app.appId === appId);
  }

  /** @throws as `find` */
  async default(kind: WechatAppKind): Promise<WechatApp | undefined> {
    if (this.canChange) return (await this.registry()).default(kind);
    return this.options.apps.find((app) => app.kind === kind);
  }

  /**
   * Returns a test whether a session is one of the app with this name.
   * @returns `undefined` if the list has no such app. Which apps a registry will have is not known.
   */
  named(name: string): ((session: { appId: string }) => boolean | Promise<boolean>) | undefined {
    if (this.canChange) return async ({ appId }) => (await this.find(appId))?.name === name;
    const app = this.options.apps.find((one) => one.name === name);
    return app && (({ appId }) => appId === app.appId);
  }

  /** Identifies the secret of an app that can change. What WeChat issued for another secret is not used any more. */
  versionOf({ secret }: WechatApp): string | undefined {
    return this.canChange ? hash('sha256', secret, 'base64url').slice(0, 16) : undefined;
  }

  private registry(): Promise<AppRegistryCache> {
    return (this.opened ??= this.open());
  }

  private async open(): Promise<AppRegistryCache> {
    const { appRegistry: registry } = this.options;
    if (typeof registry !== 'function') return new AppRegistryCache(registry!, this.clock);
    const name = `app registry ${registry.name}`;
    const provided = providedInstance(this.moduleRef, registry, name);
    if (!provided && registry === WechatAppRegistry)
      throw new WechatConfigError([
        'apps is WechatAppRegistry, but no module provides it: { provide: WechatAppRegistry, useClass: … }',
      ]);
    const type = registry as Type<WechatAppRegistry>;
    return new AppRegistryCache(
      provided ?? (await createInstance(this.moduleRef, type, name)),
      this.clock,
    );
  }
}
