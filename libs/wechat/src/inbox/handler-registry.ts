import type { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { WechatConfigError } from '../wechat.errors.js';

/** A method that handles messages. It is called directly, without guards, pipes or interceptors. */
export interface MessageHandler<Message> {
  /** `Class.method`, for errors and logs. */
  name: string;
  handle(message: Message): unknown;
}

/** Takes the messages that no other handler takes. */
export const ANY = '*';

/**
 * Marks a method as the handler of a message.
 *
 * @param metadataKey one for each kind of message
 */
export function messageHandler(metadataKey: string, event: string): MethodDecorator {
  return (_target, _name, descriptor) => {
    const method = descriptor.value as object;
    const events = (Reflect.getMetadata(metadataKey, method) as string[] | undefined) ?? [];
    Reflect.defineMetadata(metadataKey, [...events, event], method);
  };
}

/** Finds the handlers of one kind of message in all providers and controllers. */
export class HandlerRegistry<Message> {
  private readonly handlers = new Map<string, MessageHandler<Message>>();

  /**
   * @param decorator the name of the decorator, for errors
   * @throws WechatConfigError if two methods handle one event, or if a handler exists only within a request
   */
  constructor(
    discovery: DiscoveryService,
    scanner: MetadataScanner,
    metadataKey: string,
    decorator: string,
  ) {
    const problems: string[] = [];
    for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
      const prototype = wrapper.metatype?.prototype as object | undefined;
      if (!prototype || wrapper.isAlias) continue;
      for (const method of scanner.getAllMethodNames(prototype)) {
        const events = eventsOf(metadataKey, prototype, method);
        if (events.length === 0) continue;
        const name = `${wrapper.name}.${method}`;
        if (!wrapper.isDependencyTreeStatic()) {
          problems.push(
            `${decorator} on ${name}: ${wrapper.name} is request-scoped or depends on a request-scoped provider, and a message has no request`,
          );
          continue;
        }
        const instance = wrapper.instance as Record<string, (message: Message) => unknown>;
        for (const event of events) {
          const other = this.handlers.get(event);
          if (other && other.name !== name)
            problems.push(
              `${decorator}('${event}') is on ${other.name} and on ${name}; one event has one handler`,
            );
          this.handlers.set(event, { name, handle: (message) => instance[method]?.(message) });
        }
      }
    }
    if (problems.length > 0) throw new WechatConfigError(problems);
  }

  /** The handler of the first of these events that has one, else the handler of `*`. */
  find(...events: string[]): MessageHandler<Message> | undefined {
    for (const event of [...events, ANY]) {
      const handler = this.handlers.get(event);
      if (handler) return handler;
    }
    return undefined;
  }
}

function eventsOf(metadataKey: string, prototype: object, method: string): string[] {
  const value: unknown = Reflect.get(prototype, method);
  return typeof value === 'function'
    ? ((Reflect.getMetadata(metadataKey, value) as string[] | undefined) ?? [])
    : [];
}
