import { Injectable, UseGuards } from '@nestjs/common';
import { SessionGuard } from 'nestjs-wechat';
import { OnPayNotification, WechatPayModule } from 'nestjs-wechat/pay';
import { notification, payOptions } from '../../support/pay-messages.js';
import { CONNECTIONS } from '../order.js';
import type { HttpRequest } from '../order.js';
import { library, realLogins } from './ours.js';
import { bearers, route } from './stack.js';
import type { Stack } from './stack.js';

@Injectable()
class Orders {
  @OnPayNotification('*')
  paid(): void {}
}

const url = 'https://shop.example/wechat/pay/notify';

/** A notification that is done after its first delivery. */
function delivery(): HttpRequest {
  const { headers, body } = notification();
  return { method: 'POST', path: new URL(url).pathname, headers, body: body.toString() };
}

/** The guarded route of an application that also takes payments, and the endpoint of the notifications. */
export const PAY = {
  guardedWithPay: {
    module: (ground) => ({
      imports: [...library(ground), WechatPayModule.forRoot(payOptions({ notify: { url } }))],
      controllers: [route(UseGuards(SessionGuard))],
      providers: [Orders],
    }),
    credentials: realLogins,
  },
  payEndpoint: {
    module: ({ redis }) => ({
      imports: [
        WechatPayModule.forRoot(
          payOptions({ notify: { url }, ...(redis !== undefined && { redis: { url: redis } }) }),
        ),
      ],
      providers: [Orders],
    }),
    credentials: () => bearers([]),
    requests: () => Array.from({ length: CONNECTIONS }, delivery),
  },
} satisfies Record<string, Stack>;
