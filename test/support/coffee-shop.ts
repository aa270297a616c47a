import { SchedulerRegistry } from '@nestjs/schedule';
import type { PayOrder, SandboxUser } from 'nestjs-wechat-sandbox';
import { DataSource } from 'typeorm';
import { AppClock } from '../../apps/sample/src/common/app-clock.js';
import { Order as OrderRow } from '../../apps/sample/src/shop/order.entity.js';
import { PaymentConflict } from '../../apps/sample/src/shop/payment-conflict.entity.js';
import { ORDERS_JOB, Reconciliation } from '../../apps/sample/src/shop/reconciliation.js';
import { Waiting } from '../../apps/sample/src/shop/waiting.js';
import type { AppResponse, Call } from './http.js';
import { person } from './people.js';
import { start } from './start.js';
import type { Started, StartOptions } from './start.js';

/** A user of the shop. */
export interface Customer {
  wechat: SandboxUser;
  token: string;
  /** Calls a route with the customer's session. */
  call: (route: string, call?: Call) => Promise<AppResponse>;
  /** Orders coffee. @default one latte */
  order: (body?: object) => Promise<Order>;
  /** Orders, and pays on the phone. The notification has arrived, or is lost. */
  buy: (body?: object) => Promise<Order>;
  /** `POST /orders/:id/{action}`, or the order itself. */
  on: (order: Order, action?: string, body?: object) => Promise<AppResponse>;
  /** Pays an order on the phone. */
  pay: (order: Order) => Promise<void>;
  statusOf: (order: Order) => Promise<string>;
}

export interface Order extends Record<string, any> {
  id: string;
  number: string;
  status: string;
}

export interface CoffeeShop extends Started {
  customer: (user?: SandboxUser) => Promise<Customer>;
  /** Lets the reconciliation work on everything that is due. */
  reconcile: () => Promise<void>;
  /** Moves the time, and lets WeChat and the reconciliation do what is due. */
  pass: (duration: string) => Promise<void>;
  conflicts: () => Promise<Pick<PaymentConflict, 'orderNumber' | 'kind' | 'amount' | 'problem'>[]>;
  /** WeChat's side of an order. */
  atWechat: (order: Order) => PayOrder | undefined;
}

/** Long sessions, because the stories move the clock. */
const SESSIONS = { WECHAT_SESSION_TTL: '60d', WECHAT_SESSION_MAX_AGE: '90d' };

/**
 * Starts the reference app with the merchant of its sandbox.
 * @param options.hasTimer whether the reconciliation runs by itself; else the test runs it. @default false
 */
export async function startCoffeeShop({
  hasTimer = false,
  ...options
}: StartOptions & { hasTimer?: boolean } = {}): Promise<CoffeeShop> {
  const started = await start({ shop: true, ...options, env: { ...SESSIONS, ...options.env } });
  const { app, wechat } = started;
  const job = app.get(Reconciliation);
  if (!hasTimer) app.get(SchedulerRegistry).deleteInterval(ORDERS_JOB);
  return {
    ...started,
    customer: (user) => customerOf(started, user),
    reconcile: () => job.run(),
    pass: async (duration) => {
      wechat.clock.advance(duration);
      await wechat.settle();
      await job.run();
    },
    conflicts: () =>
      app
        .get(DataSource)
        .getRepository(PaymentConflict)
        .find({
          select: { orderNumber: true, kind: true, amount: true, problem: true },
          order: { createdAt: 'ASC' },
        }),
    atWechat: ({ number }) => wechat.pay.order(number),
  };
}

/** What `npm run orders -- conflicts` prints. */
export function waitingOf({ app }: Pick<CoffeeShop, 'app'>): Promise<string[]> {
  const data = app.get(DataSource);
  const [orders, conflicts] = [data.getRepository(OrderRow), data.getRepository(PaymentConflict)];
  return new Waiting(orders, conflicts, app.get(AppClock)).list();
}

async function customerOf(started: Started, user?: SandboxUser): Promise<Customer> {
  const { session_rd: token, wechat } = await person(started, user);
  const call: Customer['call'] = (route, options) => started.call(route, { token, ...options });
  const on: Customer['on'] = ({ id }, action, body) =>
    action === undefined
      ? call(`GET /orders/${id}`)
      : call(`POST /orders/${id}/${action}`, body && { body });
  const order: Customer['order'] = async (body) => {
    const { status, body: answer } = await call('POST /orders', {
      body: { productId: 'latte', quantity: 1, ...body },
    });
    if (status !== 201) throw new Error(`order: ${status} ${JSON.stringify(answer)}`);
    return answer.data as Order;
  };
  const pay: Customer['pay'] = async (ordered) => {
    const { status, body } = await on(ordered, 'pay');
    if (status !== 200) throw new Error(`pay: ${status} ${JSON.stringify(body)}`);
    const { errMsg } = await wechat.requestPayment(body.data);
    if (errMsg !== 'requestPayment:ok') throw new Error(errMsg);
    await started.wechat.settle();
  };
  const buy: Customer['buy'] = async (body) => {
    const ordered = await order(body);
    await pay(ordered);
    return ordered;
  };
  const statusOf: Customer['statusOf'] = async (ordered) => (await on(ordered)).body.data.status;
  return { wechat, token, call, order, buy, on, pay, statusOf };
}
