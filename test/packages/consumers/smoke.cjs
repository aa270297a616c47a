const { NestFactory } = require('@nestjs/core');
const { ExpressAdapter } = require('@nestjs/platform-express');
const { FastifyAdapter } = require('@nestjs/platform-fastify');
const { startWechatSandbox } = require('nestjs-wechat-sandbox');
const { AppModule } = require('./dist/quickstart/src/app.module.js');
const { tell } = require('./story.cjs');

void tell({
  NestFactory,
  adapters: [ExpressAdapter, FastifyAdapter],
  AppModule,
  startWechatSandbox,
});
