import { Controller, Injectable, Post, Req, Res } from '@nestjs/common';
import type { RawBodyRequest } from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  isPayTransaction,
  OnPayNotification,
  PaymentService,
  PayNotificationService,
  RefundService,
  WechatPayClient,
} from 'nestjs-wechat/pay';
import type { PayNotification } from 'nestjs-wechat/pay';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';

/*
 * The recipes of docs/payments.md.
 */

// #region handle
@Controller('pay')
export class NotifyController {
  constructor(private readonly notifications: PayNotificationService) {}

  @Post('notify')
  async notify(@Req() { headers, rawBody }: RawBodyRequest<Request>, @Res() reply: Response) {
    const response = await this.notifications.handle({ headers, body: rawBody! });
    reply.status(response.status).set(response.headers).send(response.body);
  }
}
// #endregion handle

@Injectable()
export class PayRecipes {
  constructor(
    private readonly payments: PaymentService,
    private readonly refunds: RefundService,
    private readonly client: WechatPayClient,
  ) {}

  async order(openid: string) {
    const { payments } = this;
    // #region prepay
    const { prepayId, params } = await payments.prepayWithRequestPayment({
      openid,
      outTradeNo: 'LATTE-1',
      description: 'Latte',
      amount: 2200,
    });
    // prepayId: 'wx29…'
    // params: { timeStamp: '1764400000', nonceStr: '…', package: 'prepay_id=wx29…', signType: 'RSA', paySign: '…' }
    // #endregion prepay
    return { prepayId, params };
  }

  async settle() {
    const { payments, refunds } = this;
    // #region calls
    const payment = await payments.query({ outTradeNo: 'LATTE-1' });
    // { outTradeNo: 'LATTE-1', transactionId: '4200…', state: 'SUCCESS', openid: 'o…', paidAt: Date,
    //   amount: { total: 2200, payerTotal: 2200, currency: 'CNY' }, … }; undefined: WeChat Pay does not know the number
    const refund = await refunds.create({
      outRefundNo: 'R-LATTE-1',
      outTradeNo: 'LATTE-1',
      refund: 2200,
      total: 2200,
    });
    // { outRefundNo: 'R-LATTE-1', refundId: '5030…', status: 'PROCESSING', amount: { refund: 2200, … }, … }
    await payments.close('LATTE-2'); // undefined; ERR_PAY_ORDER_PAID if it is paid
    // #endregion calls
    return { payment, refund };
  }

  async check() {
    const { client } = this;
    // #region check
    const { verifiedBy } = await client.check(); // 'PUB_KEY_ID_…', or an error that names the wrong credential
    // #endregion check
    return verifiedBy;
  }

  async payAbnormalRefund(
    refundId: string,
    outRefundNo: string,
    { bank, cardNumber, cardHolder }: Record<'bank' | 'cardNumber' | 'cardHolder', string>,
  ): Promise<void> {
    const { client } = this;
    // #region abnormal
    const card = client.encrypt(cardNumber);
    const holder = client.encrypt(cardHolder);
    await client.call({
      method: 'POST',
      path: `/v3/refund/domestic/refunds/${refundId}/apply-abnormal-refund`,
      body: {
        out_refund_no: outRefundNo,
        type: 'USER_BANK_CARD',
        bank_type: bank, // such as 'ICBC_DEBIT'
        bank_account: card.ciphertext,
        real_name: holder.ciphertext,
      },
      serial: card.serial,
      idempotent: true,
    });
    // #endregion abnormal
  }

  async tradeBill(day: string): Promise<Buffer> {
    const { client } = this;
    // #region bill
    const bill = await client.call<{ hash_type: string; hash_value: string; download_url: string }>(
      {
        method: 'GET',
        path: '/v3/bill/tradebill',
        query: { bill_date: day, bill_type: 'ALL', tar_type: 'GZIP' }, // day: '2026-11-28'
      },
    );
    const csv = await client.download(bill.download_url, {
      hashType: bill.hash_type,
      hashValue: bill.hash_value,
    });
    // #endregion bill
    return csv;
  }

  async orderByCode(order: {
    appid: string;
    mchid: string;
    out_trade_no: string;
    notify_url: string;
  }): Promise<string> {
    const { client } = this;
    // #region native
    const { code_url } = await client.call<{ code_url: string }>({
      method: 'POST',
      path: '/v3/pay/transactions/native',
      body: { ...order, description: 'Latte', amount: { total: 2200, currency: 'CNY' } },
      idempotent: true,
    });
    // order: { appid, mchid, out_trade_no, notify_url }; code_url: 'weixin://wxpay/bizpayurl?pr=…', shown as a QR code
    // #endregion native
    return code_url;
  }
}

@Entity()
export class Order {
  @PrimaryColumn('text')
  number!: string;

  @Column('text')
  status!: 'pending' | 'paid';
}

@Entity()
export class Outbox {
  @PrimaryColumn('text')
  id!: string;

  @Column('jsonb')
  message!: object;
}

// #region outbox
@Injectable()
export class PaidOrders {
  constructor(private readonly database: DataSource) {}

  @OnPayNotification('TRANSACTION.SUCCESS')
  async paid({ resource }: PayNotification): Promise<void> {
    if (!isPayTransaction(resource)) return;
    const { outTradeNo: number } = resource;
    await this.database.transaction(async (rows) => {
      const unpaid = { number, status: 'pending' as const };
      const { affected } = await rows.update(Order, unpaid, { status: 'paid' });
      if (affected === 1)
        await rows.insert(Outbox, {
          id: `paid-${number}`,
          message: { type: 'order-paid', number },
        });
    });
  }
}
// #endregion outbox
