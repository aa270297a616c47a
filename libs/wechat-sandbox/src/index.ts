// Start and steer
export { startWechatSandbox, type WechatSandbox, type WechatSandboxOptions } from './sandbox.js';
export type { Fault, NextFault } from './faults.js';
export type { RecordedRequest } from './transport/request-log.js';
export { SandboxError } from './world/sandbox-error.js';

// WeChat Pay and everything that WeChat sends
export type {
  Delivery,
  DeliveryAttempt,
  DeliveryFault,
  NextDelivery,
  Tampering,
} from './deliveries/delivery.js';
export type { ContentVerdictOptions } from './content/content-checks.js';
export type { PushVerification } from './push/pushes.js';
export type { PayEnv, PayMerchant, PayMerchantOptions } from './pay/merchant.js';
export type { PayOrder, TradeState } from './pay/order.js';
export type { PayRefund, RefundStatus } from './pay/refund.js';
export type { NotifyOptions, PayOptions, WechatPay } from './pay/wechat-pay.js';

// The world
export type { AccessTokens, TokenFamily, TokenResponse } from './world/access-tokens.js';
export { DEFAULT_APPS, type SandboxApp, type SandboxAppOptions } from './world/apps.js';
export { SandboxClock, type Duration } from './world/clock.js';
export type { PushConfig, PushContent, PushOptions } from './world/push.js';
export { DEFAULT_QUOTAS, type Quota } from './world/quotas.js';
export type {
  CustomerPhoneMessage,
  PhoneMessage,
  SubscribePhoneMessage,
} from './world/phone-message.js';
export type { RequestSubscribeOptions, SubscribeResult } from './world/subscriptions.js';
export type { Template, TemplateOptions } from './world/templates.js';
export type {
  PayOutcome,
  RequestPaymentOptions,
  RequestPaymentParams,
} from './world/request-payment.js';
export type {
  EncryptOptions,
  OAuthScope,
  ProfileData,
  SandboxUser,
  UserProfile,
} from './world/user.js';
export type { NewUser, Users } from './world/users.js';
export type { WorldOptions } from './world/world.js';

// WeChat's cryptography, from the client's side
export {
  encryptOpenData,
  signRawData,
  signWithSessionKey,
  type EncryptedData,
} from './world/open-data.js';
