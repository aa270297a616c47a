// The module and its options
export { WechatModule } from './wechat.module.js';
export { wechatOptionsFromEnv } from './wechat.env.js';
export type {
  WechatApp,
  WechatAppKind,
  WechatEncryptionKey,
  WechatModuleOptions,
  WechatPush,
} from './wechat.options.js';
export { WechatAppRegistry } from './wechat-app.js';
export { ResolvedWechatOptions } from './wechat.options.js';
export type { WechatRedisClient } from './store/redis/redis.client.js';
export { parseDuration } from './duration.js';
export type { Duration } from './duration.js';

// Sessions
export { SessionService } from './session/session.service.js';
export type {
  IssuedSession,
  WechatSession,
  WechatSessionInfo,
  WechatUserKey,
} from './wechat-session.js';
export type { WechatUserResolver } from './wechat-user.resolver.js';

// Events of logins
export { WechatEvents } from './wechat.events.js';
export type { WechatEventMap } from './wechat.events.js';

// Open data
export { CryptoService } from './open-data/crypto.service.js';
export { decryptOpenData, verifyRawData } from './open-data/open-data.js';
export type {
  DecryptOpenDataInput,
  EncryptedOpenData,
  SignedRawData,
  Watermark,
  WechatUserProfile,
} from './open-data/open-data.js';

export { signWithSessionKey } from './session/session-key.service.js';

// WeChat's services
export { AccessTokenService } from './access-token/access-token.service.js';
export { WechatApiClient } from './access-token/wechat-api.client.js';
export type { WechatApiCall } from './access-token/wechat-api.client.js';
export type { PlatformFile } from './platform/platform.client.js';
export { PhoneService } from './phone/phone.service.js';
export type { WechatPhone } from './phone/phone.service.js';
export { QrCodeService } from './qrcode/qrcode.service.js';
export type { WechatQrCode } from './qrcode/qrcode.service.js';
export type {
  PathQrCodeOptions,
  QrCodeStyle,
  SquareQrCodeOptions,
  UnlimitedQrCodeOptions,
} from './qrcode/qrcode.options.js';
export { SubscribeMessageService } from './subscribe-message/subscribe-message.service.js';
export type {
  SubscribeMessage,
  SubscribeOutcome,
  SubscribeTemplate,
} from './subscribe-message/subscribe-message.service.js';
export { fitTemplateData } from './subscribe-message/template-data.js';
export type { TemplateData } from './subscribe-message/template-data.js';
export { ContentSecurityService } from './content-security/content-security.service.js';
export type {
  ContentScene,
  MediaCheck,
  TextCheck,
} from './content-security/content-security.service.js';
export { readMediaVerdict } from './content-security/content-verdict.js';
export type { ContentVerdict, MediaVerdict } from './content-security/content-verdict.js';
export { LinkService } from './link/link.service.js';
export type { UrlLinkOptions } from './link/link.service.js';
export { ShippingService } from './shipping/shipping.service.js';
export type {
  ShippingOrder,
  ShippingOrderKey,
  ShippingState,
  ShippingUpload,
} from './shipping/shipping.service.js';
export type { ShippingKind, ShippingParcel } from './shipping/parcel.js';
export { CustomerMessageService } from './customer-message/customer-message.service.js';
export type { CustomerLink, CustomerMessage } from './customer-message/customer-message.service.js';
export { MobileOAuthService } from './mobile-oauth/mobile-oauth.service.js';
export type { AvatarSize, MobileLogin } from './mobile-oauth/mobile-oauth.service.js';
export type { WechatUserInfo } from './mobile-oauth/oauth-api.js';

// Message push
export { OnWechatMessage } from './push/on-wechat-message.decorator.js';
export { MessagePushService } from './push/message-push.service.js';
export type { PushRequest } from './push/message-push.service.js';
export { openPush } from './push/open-push.js';
export type { OpenPushInput } from './push/open-push.js';
export type { PushQuery } from './push/push.keys.js';
export type { WechatMessage } from './push/push.message.js';
export type { PushResponse } from './push/push.response.js';

// Guards and decorators
export { OptionalSessionGuard, Public, SessionGuard } from './auth/session.guard.js';
export { ForApp, RequirePhone, RequireUnionId } from './auth/requirement.guards.js';
export { CurrentSession, CurrentUser, getSession, getUser } from './auth/request-auth.js';
export type { WechatRequest } from './auth/request-auth.js';
export { WECHAT_USER_RESOLVER } from './auth/current-user.resolver.js';
export { OpenData } from './auth/open-data.decorator.js';
export { rememberHandshake, SessionRd, sessionRdFrom } from './auth/session-rd.extractor.js';
export type { RequestWithHeaders } from './auth/session-rd.extractor.js';
export { WechatExceptionFilter } from './auth/wechat-exception.filter.js';
export type { WechatErrorResponse } from './auth/wechat-exception.filter.js';

// The HTTP client
export type { WechatHttp } from './transport/http.transport.js';

// The store and the clock
export { WechatStore } from './store/wechat.store.js';
export type { StoreCount } from './store/wechat.store.js';
export { WechatClock } from './wechat.clock.js';

// Errors
export * from './wechat.errors.js';
