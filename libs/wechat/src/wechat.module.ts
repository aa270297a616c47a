import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
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
import { SessionTokens } from './session/session-tokens.js';
import { SessionWatcher } from './session/session-watcher.js';
import { SessionService } from './session/session.service.js';
import { UserRecords } from './session/user-records.js';
import { cacheModule, FoundationModule, storeProvider } from './store/store.module.js';
import { WechatStore } from './store/wechat.store.js';
import { Telemetry } from './telemetry.js';
import { HttpTransport } from './transport/http.transport.js';
import { WechatEvents } from './wechat.events.js';
import type { ASYNC_OPTIONS_TYPE, OPTIONS_TYPE } from './wechat.module-definition.js';
import { ResolvedWechatOptions } from './wechat.options.js';

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
  providers: [
    storeProvider,
    {
      provide: Keyring,
      inject: [ResolvedWechatOptions],
      useFactory: ({ apps, encryptionKeys }: ResolvedWechatOptions) =>
        new Keyring(apps, encryptionKeys),
    },
    Telemetry,
    WechatEvents,
    HttpTransport,
    PlatformClient,
    AccessTokenService,
    WechatApiClient,
    SessionTokens,
    SessionWatcher,
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
    {
      provide: APP_FILTER,
      inject: [ResolvedWechatOptions],
      // Nest skips a global filter that is undefined.
      useFactory: ({ errorFilter }: ResolvedWechatOptions) =>
        errorFilter ? new WechatExceptionFilter() : undefined,
    },
  ],
  exports: [
    FoundationModule,
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
export class WechatModule {
  /** With options that are there already. */
  static forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return onFoundation(FoundationModule.forRoot(options));
  }

  /** With options that the application makes, from a factory or a class. */
  static forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return onFoundation(FoundationModule.forRootAsync(options));
  }
}

/** The options lie in a module of their own, because the cache needs them, and Nest makes a cache in a module. */
function onFoundation({ global, ...foundation }: DynamicModule): DynamicModule {
  return {
    module: WechatModule,
    global,
    imports: [foundation, cacheModule(foundation), HttpModule],
  };
}
