import { Scope } from '@nestjs/common';
import type { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { handlerChannel, tracedMethod } from '../diagnostics.js';
import { WechatConfigError } from '../wechat.errors.js';

/** A method that handles messages. It is called directly, without guards, pipes or interceptors. */
export interface MessageHandler<Message> {
  /** `Class.method of Module`, for errors and logs. */
  name: string;
  handle(message: Message): Promise<unknown>;
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
    for (const method of decoratedMethods(discovery, scanner, metadataKey))
      problems.push(...this.add(method, decorator));
    if (problems.length > 0) throw new WechatConfigError(problems);
  }

  /** Returns the problems of the method. */
  private add({ wrapper, method, events }: DecoratedMethod, decorator: string): string[] {
    const name = `${wrapper.name}.${method} of ${wrapper.host?.name ?? 'the application'}`;
    const scoped = findScoped(wrapper);
    if (scoped !== undefined)
      return [
        `${decorator} on ${name} cannot run: ${scoped} is request-scoped, and a message has no request`,
      ];
    const instance = wrapper.instance as Record<string, (message: Message) => unknown>;
    const run = async (message: Message): Promise<unknown> => instance[method]?.(message);
    const problems: string[] = [];
    for (const event of events) {
      const other = this.handlers.get(event);
      if (other)
        problems.push(
          `${decorator}('${event}') is on ${other.name} and on ${name}; one event has one handler`,
        );
      this.handlers.set(event, { name, handle: tracedMethod(handlerChannel, { event }, run) });
    }
    return problems;
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

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

interface DecoratedMethod {
  wrapper: Wrapper;
  method: string;
  events: string[];
}

function* decoratedMethods(
  discovery: DiscoveryService,
  scanner: MetadataScanner,
  metadataKey: string,
): Generator<DecoratedMethod> {
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
    const prototype = wrapper.isAlias ? undefined : prototypeOf(wrapper);
    if (!prototype) continue;
    for (const method of scanner.getAllMethodNames(prototype)) {
      const events = eventsOf(metadataKey, prototype, method);
      if (events.length > 0) yield { wrapper, method, events };
    }
  }
}

/** Of the instance, which a factory or a value can make too; of the class if instances exist only within a request. */
function prototypeOf({ instance, metatype }: Wrapper): object | undefined {
  if (typeof instance === 'object' && instance !== null)
    return Object.getPrototypeOf(instance) as object | undefined;
  return metatype?.prototype as object | undefined;
}

/** The name of the request-scoped provider at the end of the chain, or `undefined` if all of the chain is static. */
function findScoped(wrapper: Wrapper, seen = new Set<Wrapper>()): string | undefined {
  if (wrapper.isDependencyTreeStatic() || seen.has(wrapper)) return undefined;
  seen.add(wrapper);
  if (wrapper.scope === Scope.REQUEST) return String(wrapper.name);
  // Nest reports undefined for a provider without dependencies, although the types do not say so.
  const parameters = (wrapper.getCtorMetadata() as Wrapper[] | undefined) ?? [];
  const properties = (wrapper.getPropertiesMetadata() as { wrapper: Wrapper }[] | undefined) ?? [];
  const dependencies = [...parameters, ...properties.map(({ wrapper: property }) => property)];
  for (const dependency of dependencies) {
    const name = dependency && findScoped(dependency, seen);
    if (name !== undefined) return name;
  }
  return String(wrapper.name);
}

function eventsOf(metadataKey: string, prototype: object, method: string): string[] {
  const value: unknown = Reflect.get(prototype, method);
  return typeof value === 'function'
    ? ((Reflect.getMetadata(metadataKey, value) as string[] | undefined) ?? [])
    : [];
}
