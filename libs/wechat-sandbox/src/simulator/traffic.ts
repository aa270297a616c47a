import { randomUUID } from 'node:crypto';
import type { SandboxClock } from '../world/clock.js';

/** The three columns of the diagram. `client` is the mini program or the browser of the user. */
export type Lifeline = 'client' | 'server' | 'wechat';

/** One arrow of the diagram, with secrets masked. An arrow from a lifeline to itself is a remark. */
export interface Message {
  from: Lifeline;
  to: Lifeline;
  /** `POST /auth/login` or `wx.login`. A response has the title of its request. */
  title: string;
  /** The id of the user on whose phone it happens, if known. */
  user?: string;
  /** Of a response: the number of its request. */
  responseTo?: number;
  /** Of a response: the HTTP status, or 0 if there was no complete response. */
  status?: number;
  /** Of a response: how long it took, in milliseconds of real time. */
  durationMs?: number;
  headers?: object;
  query?: object;
  body?: unknown;
  /** Of a notification or push. */
  delivery?: DeliveryStep;
}

/** One attempt to deliver a notification or push. */
export interface DeliveryStep {
  kind: 'pay' | 'push';
  /** The number of the order or refund, or the rest of the push's title. */
  subject: string;
  /** 1 for the first attempt. */
  attempt: number;
  /** A fault has dropped the attempt, so there is no response. */
  lost?: boolean;
}

/** A message with its number and its time. */
export interface NumberedMessage extends Message {
  id: number;
  /** In milliseconds, by the sandbox's clock. */
  at: number;
}

type Listener = (message: NumberedMessage) => void;

const KEPT = 500;

/** The messages between client, server and WeChat, in order. The newest {@link KEPT} are kept. */
export class Traffic {
  /** A page uses it to see that another sandbox was started on the same port. */
  readonly run = randomUUID();
  private readonly messages = new Map<number, NumberedMessage>();
  private readonly listeners = new Set<Listener>();
  private lastId = 0;

  constructor(private readonly clock: SandboxClock) {}

  /** The number of pages that follow the traffic. */
  get followers(): number {
    return this.listeners.size;
  }

  /** Adds a message and returns it with its number. */
  add(message: Message): NumberedMessage {
    const numbered = { ...message, id: ++this.lastId, at: this.clock.now() };
    this.messages.set(numbered.id, numbered);
    this.messages.delete(numbered.id - KEPT);
    this.notify(numbered);
    return numbered;
  }

  /** Adds fields to a message, for example a body that arrived after its headers. */
  update(message: NumberedMessage, fields: Partial<Message>): void {
    const updated = { ...message, ...fields };
    if (this.messages.has(message.id)) this.messages.set(message.id, updated);
    this.notify(updated);
  }

  /** Adds the response to a request. */
  respond(
    { id, from, to, title, user, delivery }: NumberedMessage,
    response: Pick<Message, 'status' | 'durationMs' | 'body'>,
  ): void {
    this.add({
      from: to,
      to: from,
      title,
      ...(user && { user }),
      ...(delivery && { delivery }),
      responseTo: id,
      ...response,
    });
  }

  /** Calls the listener for every message after number `after`, and for every new one. Returns a function that stops it. */
  follow(after: number, listener: Listener): () => void {
    for (const message of this.messages.values()) if (message.id > after) listener(message);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private notify(message: NumberedMessage): void {
    for (const listener of this.listeners) listener(message);
  }
}
