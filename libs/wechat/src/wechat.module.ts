import { Module } from '@nestjs/common';
import { APP_FILTER, DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { AccessTokenRepository } from './access-token/access-token.repository.js';
import { AccessTokenService } from './access-token/access-token.service.js';
import { WechatApiClient } from './access-token/wechat-api.client.js';
import { WechatApps } from './app-registry/wechat-apps.js';
import { CurrentUserResolver } from './auth/current-user.resolver.js';
import { OptionalSessionGuard, SessionGuard } from './auth/session.guard.js';
import { WechatExceptionFilter } from './auth/wechat-exception.filter.js';
import { ContentSecurityService } from './content-security/content-security.service.js';
import { Keyring } from './crypto/keyring.js';
import { CustomerMessageService } from './customer-message/customer-message.service.js';
import { LinkService } from './link/link.service.js';
import { MobileLoginRepository } from './mobile-oauth/mobile-login.repository.js';
import { MobileOAuthService } from './mobile-oauth/mobile-oauth.service.js';
import { OAuthState } from './mobile-oauth/oauth-state.js';
import { CryptoService } from './open-data/crypto.service.js';
import { PhoneService } from './phone/phone.service.js';
import { PlatformClient } from './platform/platform.client.js';
import { KeptReplies } from './push/kept-replies.js';
import { MessagePushService } from './push/message-push.service.js';
import { QrCodeService } from './qrcode/qrcode.service.js';
import { SessionKeyService } from './session/session-key.service.js';
import { SessionWatcher } from './session/session-watcher.js';
import { SessionRepository } from './session/session.repository.js';
import { SessionService } from './session/session.service.js';
import { UserSessions } from './session/user-sessions.js';
import { UserRepository } from './session/user.repository.js';
import { ShippingService } from './shipping/shipping.service.js';
import { clockProvider, redisProvider, storeProvider } from './store/store.providers.js';
import { WechatStore } from './store/wechat.store.js';
import { SubscribeMessageService } from './subscribe-message/subscribe-message.service.js';
import { telemetryProvider } from './telemetry.provider.js';
import { HttpTransport } from './transport/http.transport.js';
import { WechatCache } from './wechat.cache.js';
import { WechatClock } from './wechat.clock.js';
import { WechatConfigError } from './wechat.errors.js';
import { WechatEvents } from './wechat.events.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './wechat.module-definition.js';
import { ResolvedWechatOptions } from './wechat.options.js';
import type { WechatModuleOptions } from './wechat.options.js';

/**
 * Everything a NestJS application needs for WeChat. Import it once, in the root module; it is global unless `isGlobal` is false.
 *
 * @example
 * ```ts
 * WechatModule.forRoot({ apps: [{ appId: 'wx…', secret: '…', kind: 'mini-program' }] })
 * WechatModule.forRootAsync({ useFactory: () => wechatOptionsFromEnv(process.env) })
 * ```
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: ResolvedWechatOptions,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: WechatModuleOptions) => new ResolvedWechatOptions(options),
    },
    redisProvider,
    storeProvider,
    clockProvider,
    WechatApps,
    WechatCache,
    {
      provide: Keyring,
      inject: [ResolvedWechatOptions],
      useFactory: ({ apps, encryptionKeys }: ResolvedWechatOptions) =>
        new Keyring(apps, encryptionKeys),
    },
    telemetryProvider,
    WechatEvents,
    {
      provide: HttpTransport,
      inject: [ResolvedWechatOptions],
      useFactory: ({ api }: ResolvedWechatOptions) => new HttpTransport(api.http),
    },
    PlatformClient,
    AccessTokenRepository,
    AccessTokenService,
    WechatApiClient,
    SessionRepository,
    UserRepository,
    UserSessions,
    SessionKeyService,
    SessionWatcher,
    SessionService,
    CryptoService,
    PhoneService,
    QrCodeService,
    SubscribeMessageService,
    ContentSecurityService,
    LinkService,
    ShippingService,
    CustomerMessageService,
    OAuthState,
    MobileLoginRepository,
    MobileOAuthService,
    KeptReplies,
    MessagePushService,
    CurrentUserResolver,
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
    ResolvedWechatOptions,
    PlatformClient,
    WechatStore,
    WechatClock,
    SessionService,
    WechatEvents,
    CryptoService,
    AccessTokenService,
    WechatApiClient,
    PhoneService,
    QrCodeService,
    SubscribeMessageService,
    ContentSecurityService,
    LinkService,
    ShippingService,
    CustomerMessageService,
    MobileOAuthService,
    MessagePushService,
    CurrentUserResolver,
    WechatApps,
    SessionGuard,
    OptionalSessionGuard,
  ],
})
export class WechatModule extends ConfigurableModuleClass {
  /** @internal Throws WechatConfigError if the application imports two global instances, because Nest would use either. */
  constructor(modules: ModulesContainer) {
    super();
    const global = [...modules.values()].filter(
      ({ metatype, isGlobal }) => metatype === WechatModule && isGlobal,
    );
    if (global.length > 1)
      throw new WechatConfigError([
        `WechatModule is imported ${global.length} times as a global module: import it once, with all apps, or pass isGlobal: false to all but one`,
      ]);
  }
}
