export { WechatAuthGuard, WechatSessionStrategy } from './auth/wechat-session.strategy.js';
