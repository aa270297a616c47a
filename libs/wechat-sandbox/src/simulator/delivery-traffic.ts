import { DROPPED, type AttemptObserver } from '../deliveries/deliveries.js';
import { masked } from './masking.js';
import type { Traffic } from './traffic.js';

/** Adds each attempt of a notification or push to the diagram: the request when it starts, the response when it ends. */
export function recordAttempts(traffic: Traffic): AttemptObserver {
  return ({ kind, title: whole }, number) => {
    const [title = '', subject = ''] = kind === 'pay' ? whole.split(' ', 2) : [whole];
    const delivery = { kind, subject, attempt: number };
    const request = traffic.add({ from: 'wechat', to: 'server', title, delivery });
    return ({ status, ms, note, reply }) => {
      if (note === DROPPED)
        return traffic.update(request, { delivery: { ...delivery, lost: true } });
      const body = masked({
        ...(note && { note }),
        ...(reply !== undefined && { reply }),
      }) as object;
      const hasBody = Object.keys(body).length > 0;
      traffic.respond(request, { status, durationMs: ms, ...(hasBody && { body }) });
    };
  };
}
