// #region casl
import { AbilityBuilder, createMongoAbility, subject } from '@casl/ability';
import type { MongoAbility } from '@casl/ability';
import {
  Controller,
  Delete,
  ForbiddenException,
  Injectable,
  Param,
  UseGuards,
} from '@nestjs/common';
import type { PipeTransform } from '@nestjs/common';
import { CurrentUser, SessionGuard } from 'nestjs-wechat';

interface User {
  openid: string;
  role: 'customer' | 'staff';
}
interface Order {
  id: string;
  openid: string;
}
type Ability = MongoAbility<['read' | 'delete', 'Order' | Order]>;

/** Makes the user of the session an ability: `@CurrentUser()` takes pipes. */
@Injectable()
export class AbilityPipe implements PipeTransform<User, Ability> {
  transform({ openid, role }: User): Ability {
    const { can, build } = new AbilityBuilder<Ability>(createMongoAbility);
    can('read', 'Order', { openid });
    can('delete', 'Order', role === 'staff' ? undefined : { openid });
    return build();
  }
}

/** Your database. */
@Injectable()
export class Orders extends Map<string, Order> {}

@Controller('orders')
@UseGuards(SessionGuard)
export class OrdersController {
  constructor(private readonly orders: Orders) {}

  @Delete(':id')
  remove(@CurrentUser(AbilityPipe) ability: Ability, @Param('id') id: string) {
    const order = this.orders.get(id);
    if (!order || ability.cannot('delete', subject('Order', order))) throw new ForbiddenException();
    return { removed: this.orders.delete(id) };
  }
}
// #endregion casl
