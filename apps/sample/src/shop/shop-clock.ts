import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config.js';

/** The time of orders. Tests and `npm start` move it, so SQL's `now()` is never used for an order. */
@Injectable()
export class ShopClock {
  private readonly clock: () => number;

  constructor({ wechat }: AppConfig) {
    this.clock = wechat.clock ?? Date.now;
  }

  now(): Date {
    return new Date(this.clock());
  }
}
