import { Injectable } from '@nestjs/common';
import type { PipeTransform } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsByteLength, IsIn, IsInt, IsOptional, isUUID, Matches, Max, Min } from 'class-validator';
import { BadRequestError, NotFoundError } from '../common/app-error.js';
import type { Order, OrderStatus, RefundStatus } from './order.entity.js';
import { MAX_QUANTITY, PRODUCT_IDS, PRODUCTS } from './products.js';

const QUANTITY = `quantity must be a whole number from 1 to ${MAX_QUANTITY}`;

export class NewOrderDto {
  @ApiProperty({ enum: PRODUCT_IDS })
  @IsIn(PRODUCT_IDS, { message: `productId must be one of: ${PRODUCT_IDS.join(', ')}` })
  productId: string;

  @ApiProperty({ minimum: 1, maximum: MAX_QUANTITY, type: 'integer' })
  @IsInt({ message: QUANTITY })
  @Min(1, { message: QUANTITY })
  @Max(MAX_QUANTITY, { message: QUANTITY })
  quantity: number;
}

export class RefundDto {
  @ApiPropertyOptional({ description: 'At most 80 bytes. WeChat shows it', example: '不想要了' })
  @IsOptional()
  @IsByteLength(1, 80, { message: 'reason must have at most 80 bytes' })
  @Matches(/^[^\p{Cc}\p{Cs}\u{10000}-\u{10ffff}]*$/u, {
    message: 'reason must not have emoji or control characters',
  })
  reason?: string;
}

export class ProductView {
  @ApiProperty({ enum: PRODUCT_IDS })
  id: string;

  @ApiProperty()
  name: string;

  @ApiProperty({ description: 'Whole fen: 2200 is 22.00 yuan' })
  price: number;

  static readonly example = PRODUCTS[1]!;
}

export class RefundView {
  @ApiProperty({ description: 'out_refund_no' })
  number: string;

  @ApiProperty({ enum: ['PROCESSING', 'SUCCESS', 'CLOSED', 'ABNORMAL'] })
  status: RefundStatus;

  @ApiProperty({ description: 'Whole fen' })
  amount: number;

  @ApiPropertyOptional()
  succeededAt?: Date;
}

export class OrderView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ description: 'out_trade_no' })
  number: string;

  @ApiProperty({ enum: ['pending', 'paid', 'closed', 'picked-up', 'refunding', 'refunded'] })
  status: OrderStatus;

  @ApiProperty({ description: 'As it was when the order was made' })
  product: ProductView;

  @ApiProperty()
  quantity: number;

  @ApiProperty({ description: 'Whole fen' })
  amount: number;

  @ApiProperty({ enum: ['CNY'] })
  currency: 'CNY';

  @ApiProperty()
  createdAt: Date;

  @ApiProperty({ description: 'A pending order is closed at this time' })
  payBefore: Date;

  @ApiPropertyOptional()
  paidAt?: Date;

  @ApiPropertyOptional({ description: "WeChat's number of the payment" })
  transactionId?: string;

  @ApiPropertyOptional({ type: RefundView })
  refund?: RefundView;

  @ApiPropertyOptional()
  pickedUpAt?: Date;

  @ApiPropertyOptional({
    description:
      'Of a picked-up order: whether WeChat has its shipping information. Absent if WeChat requires none',
  })
  shipped?: boolean;

  static readonly example = {
    id: '0d1f0c5e-6f0b-4a64-8a0e-1c54e8d7b2a9',
    number: '20261120482910573641',
    status: 'paid',
    product: PRODUCTS[1]!,
    quantity: 1,
    amount: 2200,
    currency: 'CNY',
    createdAt: '2026-11-20T08:00:00.000Z',
    payBefore: '2026-11-20T08:15:00.000Z',
    paidAt: '2026-11-20T08:00:09.000Z',
    transactionId: '4200002345202611205678901234',
  };

  static of(order: Order): OrderView {
    const { id, number, status, quantity, amount, createdAt, payBefore } = order;
    return {
      id,
      number,
      status,
      product: { id: order.productId, name: order.productName, price: amount / quantity },
      quantity,
      amount,
      currency: 'CNY',
      createdAt,
      payBefore,
      paidAt: order.paidAt ?? undefined,
      transactionId: order.transactionId ?? undefined,
      refund: refundOf(order),
      pickedUpAt: order.pickedUpAt ?? undefined,
      shipped: shippedOf(order),
    };
  }
}

/** A refund that WeChat Pay refused is not shown, unless the shop tries it again. */
function refundOf(order: Order): RefundView | undefined {
  const { status, refundNumber: number, refundAmount: amount, refundSucceededAt } = order;
  const refundStatus = order.refundStatus ?? (status === 'refunding' ? 'PROCESSING' : null);
  if (number === null || amount === null || refundStatus === null) return undefined;
  return { number, status: refundStatus, amount, succeededAt: refundSucceededAt ?? undefined };
}

function shippedOf({ pickedUpAt, shippingStatus }: Order): boolean | undefined {
  if (pickedUpAt === null || shippingStatus === 'not-managed') return undefined;
  return shippingStatus === 'shipped';
}

/** Refuses a text that is not an id with 404. */
@Injectable()
export class OrderIdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    if (!isUUID(id)) throw new NotFoundError();
    return id;
  }
}

/** @throws BadRequestError */
export function readIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (/^[\x21-\x7e]{8,64}$/.test(header)) return header;
  throw new BadRequestError('Idempotency-Key must have 8 to 64 printable characters');
}
