import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { AppModule } from './dist/quickstart/src/app.module.js';
import { tell } from './story.cjs';

await tell({
  NestFactory,
  adapters: [ExpressAdapter, FastifyAdapter],
  AppModule,
  startWechatSandbox,
});
