export { WechatHealthIndicator } from './health/wechat.health.js';
