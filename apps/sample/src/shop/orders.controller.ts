import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  Param,
  Post,
  Query,
  Res,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentSession, CurrentUser, SessionGuard } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import type { RequestPayment } from 'nestjs-wechat/pay';
import { PageDto } from '../common/page.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import type { User } from '../users/user.entity.js';
import { OrderRateLimit } from './order-rate-limit.js';
import { NewOrderDto, OrderIdPipe, OrderView, readIdempotencyKey, RefundDto } from './order.dto.js';
import { OrdersService } from './orders.service.js';
import { PayDeadline } from './pay-deadline.interceptor.js';
import { RequestPaymentView } from './request-payment.dto.js';

@ApiTags('shop')
@ApiBearerAuth()
@Controller('orders')
@UseGuards(SessionGuard, OrderRateLimit)
@UseInterceptors(PayDeadline)
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  @ApiOperation({
    summary: 'Order coffee',
    description:
      'The amount is the price of the shop. A repeat with the same Idempotency-Key and body is 200 with the order as it is now.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Random, made by the client for this order and repeated with each retry',
    schema: { type: 'string', minLength: 8, maxLength: 64 },
    example: '9f86d081884c7d659a2feaa0c55ad015',
  })
  @ApiEnvelope(OrderView)
  @ApiEnvelope(OrderView, { status: 201 })
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SESSION',
    'ERR_IDEMPOTENCY_CONFLICT',
    'ERR_ORDER_LIMIT',
    'ERR_WECHAT_RATE_LIMIT',
  )
  async create(
    @CurrentUser() user: User,
    @CurrentSession() session: WechatSession,
    @Body() body: NewOrderDto,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('idempotency-key') key?: string,
  ): Promise<OrderView> {
    const { order, isNew } = await this.orders.create(user, session, body, readIdempotencyKey(key));
    reply.status(isNew ? 201 : 200);
    return OrderView.of(order);
  }

  @Get()
  @ApiOperation({ summary: 'My orders, the newest first', description: '50 without `limit`.' })
  @ApiEnvelope([OrderView])
  @ApiErrors('ERR_BAD_REQUEST', 'ERR_WECHAT_SESSION')
  async list(@CurrentUser() user: User, @Query() page: PageDto): Promise<OrderView[]> {
    return (await this.orders.list(user, page)).map((order) => OrderView.of(order));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One of my orders' })
  @ApiEnvelope(OrderView)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND')
  async one(@CurrentUser() user: User, @Param('id', OrderIdPipe) id: string): Promise<OrderView> {
    return OrderView.of(await this.orders.find(user, id));
  }

  @Post(':id/pay')
  @HttpCode(200)
  @ApiOperation({
    summary: 'The parameters of wx.requestPayment',
    description: 'Only in the mini program in which the order was made.',
  })
  @ApiEnvelope(RequestPaymentView)
  @ApiErrors(
    'ERR_WECHAT_SESSION',
    'ERR_NOT_FOUND',
    'ERR_ORDER_STATE',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_CONFIG',
    'ERR_WECHAT_RESPONSE',
    'ERR_WECHAT_UNAVAILABLE',
  )
  pay(
    @CurrentUser() user: User,
    @CurrentSession() session: WechatSession,
    @Param('id', OrderIdPipe) id: string,
  ): Promise<RequestPayment> {
    return this.orders.requestPayment(user, session, id);
  }

  @Post(':id/sync')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Ask WeChat Pay for the payment or the refund',
    description:
      'Call it after wx.requestPayment, also if it failed or was cancelled. WeChat Pay is queried at most every two seconds.',
  })
  @ApiEnvelope(OrderView)
  @ApiErrors(
    'ERR_WECHAT_SESSION',
    'ERR_NOT_FOUND',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_RESPONSE',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async sync(@CurrentUser() user: User, @Param('id', OrderIdPipe) id: string): Promise<OrderView> {
    return OrderView.of(await this.orders.sync(user, id));
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Close a pending order',
    description: 'After 503 the order is still pending, and the app tries again every minute.',
  })
  @ApiEnvelope(OrderView)
  @ApiErrors(
    'ERR_WECHAT_SESSION',
    'ERR_NOT_FOUND',
    'ERR_ORDER_STATE',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async cancel(
    @CurrentUser() user: User,
    @Param('id', OrderIdPipe) id: string,
  ): Promise<OrderView> {
    return OrderView.of(await this.orders.cancel(user, id));
  }

  @Post(':id/refund')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Refund a paid order that is not picked up',
    description: 'Refunds the whole amount. After 503 the app repeats the request by itself.',
  })
  @ApiEnvelope(OrderView)
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SESSION',
    'ERR_NOT_FOUND',
    'ERR_ORDER_STATE',
    'ERR_PAY_REFUND',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async refund(
    @CurrentUser() user: User,
    @Param('id', OrderIdPipe) id: string,
    @Body() { reason }: RefundDto,
  ): Promise<OrderView> {
    return OrderView.of(await this.orders.refund(user, id, reason ?? null));
  }

  @Post(':id/pickup')
  @HttpCode(200)
  @ApiOperation({
    summary: 'The coffee is handed over',
    description:
      '409 if WeChat Pay reports a refund of the payment that was made in the merchant console.',
  })
  @ApiEnvelope(OrderView)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND', 'ERR_ORDER_STATE', 'ERR_WECHAT_RATE_LIMIT')
  async pickUp(
    @CurrentUser() user: User,
    @Param('id', OrderIdPipe) id: string,
  ): Promise<OrderView> {
    return OrderView.of(await this.orders.pickUp(user, id));
  }
}
