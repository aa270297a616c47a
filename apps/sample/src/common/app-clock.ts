import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config.js';

/** The time of everything that becomes due. Tests and `npm start` move it, so SQL's `now()` is never used for a due time. */
@Injectable()
export class AppClock {
  private readonly clock: () => number;

  constructor({ wechat }: AppConfig) {
    this.clock = wechat.clock ?? Date.now;
  }

  now(): Date {
    return new Date(this.clock());
  }

  /** @param ms milliseconds */
  in(ms: number): Date {
    return new Date(this.clock() + ms);
  }
}
