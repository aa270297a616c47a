export { WechatPayModule } from './pay/pay.module.js';
export { wechatPayOptionsFromEnv } from './pay/pay.env.js';
export type { WechatPayOptions } from './pay/pay.options.js';

export { PaymentService } from './pay/payment.service.js';
export type { Prepay } from './pay/payment.service.js';
export { RefundService } from './pay/refund.service.js';
export type { RefundRequest } from './pay/refund.service.js';
export { WechatPayClient } from './pay/pay.client.js';
export type { PayCall } from './pay/pay.transport.js';

export { PayNotificationService } from './pay/pay-notification.service.js';
export type { PayNotificationResponse } from './pay/pay-notification.service.js';
export type { PayNotification, PayNotificationRequest } from './pay/pay-notification.reader.js';
export { OnPayNotification } from './pay/on-pay-notification.decorator.js';

export { isPayRefund, isPayTransaction } from './pay/pay.types.js';
export type { PayJson, PayRefund, PayTransaction } from './pay/pay.types.js';

export { signAppPayment, signRequestPayment, verifyPaySignature } from './pay/pay.signature.js';
export type {
  AppPayment,
  PayHeaders,
  PayVerificationKey,
  RequestPayment,
} from './pay/pay.signature.js';
export { decryptPayResource } from './pay/pay.resource.js';
export type { EncryptedPayResource } from './pay/pay.resource.js';
