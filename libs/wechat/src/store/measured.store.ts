import type { Telemetry } from '../telemetry.js';
import type { WechatStore } from './wechat.store.js';

const VERBS = ['get', 'add', 'replace', 'remove', 'take', 'count'] as const;

/** What is asked of a store and may take its time. */
export type StoreVerb = (typeof VERBS)[number];

/**
 * The store, each verb of it timed. Where no SDK listens it is the store itself: one comparison at the start, and nothing
 * on the way of a guarded request.
 *
 * A Proxy, and not one more class: a team's store stays an instance of its class, with its own methods and Nest's hooks,
 * whether an SDK runs or not. Methods are bound to it, because its `#private` fields know no Proxy.
 */
export function measured(store: WechatStore, telemetry: Telemetry): WechatStore {
  if (!telemetry.isObserved) return store;
  const timed = new Map<unknown, unknown>(
    VERBS.map((verb) => [verb, timedVerb(store, verb, telemetry)]),
  );
  return new Proxy(store, {
    get: (_, key) => timed.get(key) ?? boundTo(store, Reflect.get(store, key)),
  });
}

function timedVerb(store: WechatStore, verb: StoreVerb, telemetry: Telemetry) {
  const call = store[verb] as (...args: unknown[]) => Promise<unknown>;
  return (...args: unknown[]) => telemetry.store(verb, () => call.apply(store, args));
}

function boundTo(store: WechatStore, value: unknown): unknown {
  return typeof value === 'function' && value !== store.constructor ? value.bind(store) : value;
}
