// #region controller
import { Body, Controller, Module, Param, Post } from '@nestjs/common';
import * as pay from 'nestjs-wechat/pay';

const PRICE = 2200; // fen: 22.00 yuan

@Controller('orders')
export class OrdersController {
  private readonly orders = new Map<string, { openid: string; status: string }>(); // your database

  constructor(
    private readonly payments: pay.PaymentService,
    private readonly refunds: pay.RefundService,
  ) {}

  @Post()
  async order(@Body('openid') openid: string) {
    const outTradeNo = `LATTE-${Date.now()}`;
    this.orders.set(outTradeNo, { openid, status: 'pending' }); // the openid of the session in production
    const latte = { openid, outTradeNo, description: 'Latte', amount: PRICE };
    const { params } = await this.payments.prepayWithRequestPayment(latte);
    return { outTradeNo, params }; // wx.requestPayment(params)
  }

  /** The mini program calls it after wx.requestPayment, also after a failure. */
  @Post(':number/sync')
  async sync(@Param('number') outTradeNo: string) {
    this.markPaid(await this.payments.query({ outTradeNo }));
    return { status: this.orders.get(outTradeNo)?.status };
  }

  @Post(':number/refund')
  async refund(@Param('number') outTradeNo: string) {
    const whole = { outRefundNo: `R-${outTradeNo}`, outTradeNo, refund: PRICE, total: PRICE };
    const { status } = await this.refunds.create(whole);
    return { status };
  }

  @pay.OnPayNotification('TRANSACTION.SUCCESS')
  paid({ resource }: pay.PayNotification): void {
    if (pay.isPayTransaction(resource)) this.markPaid(resource);
  }

  /** Idempotent, because a notification can arrive twice, or after a query. */
  private markPaid(payment?: pay.PayTransaction): void {
    const order = payment && this.orders.get(payment.outTradeNo);
    const fits = payment?.amount?.total === PRICE && payment.openid === order?.openid;
    if (order?.status === 'pending' && payment?.state === 'SUCCESS' && fits) order.status = 'paid';
  }
}
// #endregion controller

// #region module
const payment = pay.WechatPayModule.forRootAsync({
  useFactory: () => ({
    ...pay.wechatPayOptionsFromEnv(process.env)!,
    appId: process.env['WECHAT_MINI_APP_ID'], // not needed together with WechatModule
  }),
});

@Module({ imports: [payment], controllers: [OrdersController] })
export class AppModule {}
// #endregion module
