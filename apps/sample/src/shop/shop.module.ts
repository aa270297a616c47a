import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { WechatPayModule } from 'nestjs-wechat/pay';
import type { WechatPayOptions } from 'nestjs-wechat/pay';
import { AppClock } from '../common/app-clock.js';
import { UserLimits } from '../common/user-limits.js';
import type { AppConfig } from '../config.js';
import { Conflicts } from './conflicts.js';
import { OrderMessages } from './order-messages.js';
import { OrderSteps } from './order-steps.js';
import { Order } from './order.entity.js';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';
import { PayNotifications } from './pay-notifications.js';
import { PaymentConflict } from './payment-conflict.entity.js';
import { Payments } from './payments.js';
import { ProductsController } from './products.controller.js';
import { Reconciliation } from './reconciliation.js';
import { Refunds } from './refunds.js';
import { Shipments } from './shipments.js';

/** The coffee shop. Without WeChat Pay it is closed: its routes are 404. */
@Module({})
export class ShopModule {
  static with(pay: WechatPayOptions, { wechat }: AppConfig): DynamicModule {
    return {
      module: ShopModule,
      imports: [
        WechatPayModule.forRoot({ ...pay, clock: wechat.clock }),
        TypeOrmModule.forFeature([Order, PaymentConflict]),
      ],
      controllers: [ProductsController, OrdersController],
      providers: [
        AppClock,
        UserLimits,
        OrderSteps,
        Conflicts,
        OrderMessages,
        Payments,
        Refunds,
        Shipments,
        OrdersService,
        PayNotifications,
        Reconciliation,
      ],
    };
  }
}
