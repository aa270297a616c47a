import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  PayNotificationService,
  WechatPayModule,
  wechatPayOptionsFromEnv,
} from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { DataSource } from 'typeorm';
import { createEmptyOnPostgres, onPostgres } from '../support/databases.js';
import type { AppDatabase } from '../support/databases.js';
import { freePort } from '../support/free-port.js';
import { NotifyController, Order, Outbox, PaidOrders, PayRecipes } from './pay-recipes.js';

onPostgres('the recipes of the payments page', (bin) => {
  let database: AppDatabase<{ url: string }>;
  let wechat: WechatSandbox;
  let app: NestExpressApplication;
  let notifyUrl: string;
  let recipes: PayRecipes;
  let alice: SandboxUser;

  beforeAll(async () => {
    database = await createEmptyOnPostgres(bin);
    wechat = await startWechatSandbox();
    alice = wechat.users.create();
    const port = await freePort();
    notifyUrl = `http://127.0.0.1:${port}/pay/notify`;
    const pay = wechatPayOptionsFromEnv(wechat.pay.merchant.env({ notifyUrl }))!;
    const { appId } = wechat.apps[0]!;
    const module = await Test.createTestingModule({
      imports: [
        WechatPayModule.forRoot({ ...pay, appId, notify: { ...pay.notify, path: false } }),
        TypeOrmModule.forRoot({
          type: 'postgres',
          ...database.config,
          entities: [Order, Outbox],
          synchronize: true,
        }),
      ],
      controllers: [NotifyController],
      providers: [PayRecipes, PaidOrders],
    }).compile();
    app = module.createNestApplication<NestExpressApplication>({ rawBody: true, logger: false });
    await app.listen(port, '127.0.0.1');
    recipes = app.get(PayRecipes);
  });
  afterAll(async () => {
    await app.close();
    await wechat.close();
    await database.remove();
  });

  const messages = async (): Promise<unknown[]> =>
    (await app.get(DataSource).getRepository(Outbox).find()).map(({ message }) => message);

  it('pay, write one outbox row for one payment, and refund', async () => {
    await app.get(DataSource).getRepository(Order).insert({ number: 'LATTE-1', status: 'pending' });
    const { prepayId, params } = await recipes.order(alice.openid());
    expect(prepayId).toMatch(/^wx/);
    wechat.nextDelivery({ duplicate: 3 });
    expect(await alice.requestPayment(params)).toEqual({ errMsg: 'requestPayment:ok' });
    await wechat.settle();
    expect(await messages()).toEqual([{ type: 'order-paid', number: 'LATTE-1' }]);
    const { payment, refund } = await recipes.settle();
    expect(payment).toMatchObject({ state: 'SUCCESS', amount: { total: 2200 } });
    expect(refund.status).toBe('PROCESSING');
  });

  it('pay an abnormal refund to a card', async () => {
    wechat.pay.settleRefund('R-LATTE-1', 'ABNORMAL');
    const { refundId } = wechat.pay.refunds.at(-1)!;
    const card = { bank: 'ICBC_DEBIT', cardNumber: '6222020000000000', cardHolder: '张三' };
    await recipes.payAbnormalRefund(refundId, 'R-LATTE-1', card);
    wechat.clock.advance('3s');
    expect(wechat.pay.refunds.at(-1)!.status).toBe('SUCCESS');
  });

  it('pay by a code', async () => {
    const order = {
      appid: wechat.apps[0]!.appId,
      mchid: wechat.pay.merchant.mchId,
      out_trade_no: 'LATTE-3',
      notify_url: notifyUrl,
    };
    await app.get(DataSource).getRepository(Order).insert({ number: 'LATTE-3', status: 'pending' });
    const codeUrl = await recipes.orderByCode(order);
    expect(await alice.scanPayCode(codeUrl)).toEqual({ errMsg: 'scanPayCode:ok' });
    await wechat.settle();
    expect(await messages()).toContainEqual({ type: 'order-paid', number: 'LATTE-3' });
  });

  it('check the credentials, and download the bill of the day', async () => {
    expect(await recipes.check()).toMatch(/^PUB_KEY_ID_/);
    const beijing = (at: number): string => new Date(at + 8 * 3_600_000).toISOString().slice(0, 10);
    const day = beijing(wechat.clock.now());
    wechat.clock.advance('36h');
    const bill = (await recipes.tradeBill(day)).toString();
    for (const number of ['LATTE-1', 'LATTE-3']) expect(bill).toContain(number);
  });

  it('refuse a body that was parsed and serialised again', async () => {
    const handle = app.get(PayNotificationService).handle({ headers: {}, body: '{}' as never });
    await expect(handle).rejects.toMatchObject({ code: 'ERR_WECHAT_CONFIG' });
  });
});
