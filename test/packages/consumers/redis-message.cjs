// Checks that the start with `redis.url` names the command, if the package redis is missing or has version 4.
require('reflect-metadata');
const { NestFactory } = require('@nestjs/core');
const { WechatModule } = require('nestjs-wechat');
const assert = require('node:assert/strict');

const wechat = WechatModule.forRoot({
  apps: [{ appId: 'wx0123456789abcdef', secret: 'secret', kind: 'mini-program' }],
  redis: { url: 'redis://127.0.0.1:6379' },
});
const options = { logger: false, abortOnError: false };
void assert.rejects(
  NestFactory.createApplicationContext({ module: class App {}, imports: [wechat] }, options),
  /redis\.url needs the package redis in version 5 or 6\. Run: npm install redis/,
);
