import type { MessageEvent } from '@nestjs/common';
import { interval, map } from 'rxjs';
import type { Observable } from 'rxjs';

/** The events of the streams. */
export const ticks: Observable<MessageEvent> = interval(5).pipe(
  map((tick) => ({ data: { tick } })),
);
