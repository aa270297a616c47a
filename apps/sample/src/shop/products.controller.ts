import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiEnvelope } from '../docs/api-responses.decorator.js';
import { ProductView } from './order.dto.js';
import { PRODUCTS } from './products.js';

@ApiTags('shop')
@Controller('products')
export class ProductsController {
  @Get()
  @ApiOperation({ summary: 'What the shop sells' })
  @ApiEnvelope([ProductView])
  list(): readonly ProductView[] {
    return PRODUCTS;
  }
}
