import { Controller, Post, Req, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication } from '@nestjs/common';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { randomBytes } from 'node:crypto';
import { createClient } from 'redis';
import { APP, newOpenid } from '../library.js';
import type { Ground } from '../library.js';
import { route, unauthorized } from './stack.js';
import type { Credentials, Stack } from './stack.js';

interface RequestWithSession {
  session: { user?: object };
}

class LoggedInGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (
      context.switchToHttp().getRequest<RequestWithSession>().session.user !== undefined ||
      unauthorized()
    );
  }
}

@Controller()
class CookieController {
  @Post('cookie')
  logIn(@Req() request: RequestWithSession): void {
    request.session.user = { openid: newOpenid(), appId: APP.appId };
  }
}

/** Configured as its documentation recommends: unchanged sessions are not saved. It still touches the session on each request. */
async function useSessions(app: INestApplication, { redis }: Ground): Promise<void> {
  const store = new RedisStore({ client: await createClient({ url: redis }).connect() });
  app.use(
    session({
      store,
      secret: randomBytes(32).toString('hex'),
      resave: false,
      saveUninitialized: false,
    }),
  );
}

async function cookies(app: INestApplication, count: number): Promise<Credentials> {
  const url = await app.getUrl();
  const values: string[] = [];
  while (values.length < count) values.push(await newCookie(url));
  return { header: 'cookie', values };
}

async function newCookie(url: string): Promise<string> {
  const { headers } = await fetch(`${url}/cookie`, { method: 'POST' });
  return headers.getSetCookie()[0]!.split(';')[0]!;
}

export const EXPRESS_SESSION = {
  expressSession: {
    module: () => ({ controllers: [route(UseGuards(LoggedInGuard)), CookieController] }),
    prepare: useSessions,
    credentials: cookies,
  },
} satisfies Record<string, Stack>;
