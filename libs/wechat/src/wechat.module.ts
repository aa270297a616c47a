import { HttpModule } from '@nestjs/axios';
import { Cache, CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Keyv } from 'keyv';
import { AccessTokenService } from './access-token/access-token.service.js';
import { WechatApiClient } from './access-token/wechat-api.client.js';
import { OptionalSessionGuard, SessionGuard } from './auth/session.guard.js';
import { WechatUsers } from './auth/users.js';
import { WechatExceptionFilter } from './auth/wechat-exception.filter.js';
import { Keyring } from './crypto/keyring.js';
import { MobileOAuthService } from './mobile-oauth/mobile-oauth.service.js';
import { OAuthState } from './mobile-oauth/oauth-state.js';
import { CryptoService } from './open-data/crypto.service.js';
import { PhoneService } from './phone/phone.service.js';
import { PlatformClient } from './platform/platform.client.js';
import { QrCodeService } from './qrcode/qrcode.service.js';
import { SessionKeys } from './session/session-keys.js';
import { SessionRecords } from './session/session-records.js';
import { SessionService } from './session/session.service.js';
import { UserRecords } from './session/user-records.js';
import { MemoryStore } from './store/memory.store.js';
import { WechatStore } from './store/wechat.store.js';
import { Telemetry } from './telemetry.js';
import { WechatEvents } from './wechat.events.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './wechat.module-definition.js';
import { ResolvedWechatOptions } from './wechat.options.js';
import type { WechatModuleOptions } from './wechat.options.js';

/** A cache of its own for each module instance. Values stay objects: nothing is serialised within one process. */
const memoryCache = (): { stores: Keyv[] } => ({ stores: [new Keyv({ store: new Map(), serialize: undefined, deserialize: undefined })] });

/**
 * Everything a NestJS application needs for WeChat. Import it once, in the root module; it is global unless told otherwise.
 *
 * @example
 * ```ts
 * WechatModule.forRoot({ apps: [{ appId: 'wx…', secret: '…', kind: 'mini-program' }] })
 * WechatModule.forRootAsync({ useFactory: () => wechatOptionsFromEnv(process.env) })
 * ```
 */
@Module({
  imports: [HttpModule, CacheModule.registerAsync({ useFactory: memoryCache })],
  providers: [
    {
      provide: ResolvedWechatOptions,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: WechatModuleOptions) => new ResolvedWechatOptions(options),
    },
    {
      provide: Keyring,
      inject: [ResolvedWechatOptions],
      useFactory: ({ apps, encryptionKeys }: ResolvedWechatOptions) => new Keyring(apps, encryptionKeys),
    },
    {
      provide: WechatStore,
      inject: [ResolvedWechatOptions, Cache],
      useFactory: ({ store, clock }: ResolvedWechatOptions, cache: Cache) => store ?? new MemoryStore(cache, clock),
    },
    Telemetry,
    WechatEvents,
    PlatformClient,
    AccessTokenService,
    WechatApiClient,
    SessionRecords,
    UserRecords,
    SessionKeys,
    SessionService,
    CryptoService,
    PhoneService,
    QrCodeService,
    OAuthState,
    MobileOAuthService,
    WechatUsers,
    SessionGuard,
    OptionalSessionGuard,
    { provide: APP_FILTER, useClass: WechatExceptionFilter },
  ],
  exports: [
    ResolvedWechatOptions,
    PlatformClient,
    WechatStore,
    SessionService,
    WechatEvents,
    CryptoService,
    AccessTokenService,
    WechatApiClient,
    PhoneService,
    QrCodeService,
    MobileOAuthService,
    WechatUsers,
    SessionGuard,
    OptionalSessionGuard,
  ],
})
export class WechatModule extends ConfigurableModuleClass {}
