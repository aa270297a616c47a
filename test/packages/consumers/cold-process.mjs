// One cold start, see cold-start.mjs.
import { NestFactory } from '@nestjs/core';
import '@nestjs/platform-express';
import assert from 'node:assert/strict';

const steps = {};
const reached = (step) => (steps[step] = performance.now());

reached('Nest loaded');
const { AppModule } = await import('./dist/quickstart/src/app.module.js');
reached('nestjs-wechat loaded');
const app = await NestFactory.create(AppModule, { logger: false });
await app.listen(0, '127.0.0.1');
reached('listening');
const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
const login = await fetch(`${url}/auth/login`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ code: process.env.CODE }),
});
const { session_rd } = await login.json();
reached('first login');
const me = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${session_rd}` } });
assert.equal(me.status, 200);
reached('first guarded request');
process.stdout.write(JSON.stringify(steps));
process.exit(0);
