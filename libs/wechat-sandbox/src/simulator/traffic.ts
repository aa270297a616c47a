import { randomUUID } from 'node:crypto';
import type { SandboxClock } from '../world/clock.js';

/** The three who talk. `client` is whatever runs on the user's side: mini program, browser. */
export type Lifeline = 'client' | 'server' | 'wechat';

/** One arrow of the diagram, masked already. An arrow from a lifeline to itself is a remark. */
export interface Message {
  from: Lifeline;
  to: Lifeline;
  /** `POST /auth/login`, `wx.login`; of an answer, what it answers. */
  title: string;
  /** Whose phone, where it is known. */
  who?: string;
  /** The number of the message that this one answers. */
  answers?: number;
  /** Of an answer: the HTTP status; 0 if the connection broke or nobody answered. */
  status?: number;
  /** Of an answer: milliseconds that have really passed. */
  took?: number;
  headers?: object;
  query?: object;
  body?: unknown;
}

/** A message with its place in the whole. */
export interface NumberedMessage extends Message {
  id: number;
  /** By the sandbox's clock, in milliseconds. */
  at: number;
}

type Listener = (message: NumberedMessage) => void;

const KEPT = 500;

/** Everything that was said between client, server and WeChat, in its order. */
export class Traffic {
  /** Tells a page that it talks to another sandbox than before, on the same port. */
  readonly run = randomUUID();
  readonly #messages = new Map<number, NumberedMessage>();
  readonly #listeners = new Set<Listener>();
  #last = 0;

  constructor(private readonly clock: SandboxClock) {}

  say(message: Message): NumberedMessage {
    const numbered = { ...message, id: ++this.#last, at: this.clock.now() };
    this.#messages.set(numbered.id, numbered);
    this.#messages.delete(numbered.id - KEPT);
    return this.#tell(numbered);
  }

  /** Tells more of a message, such as a body that came after the head. */
  amend(message: NumberedMessage, more: Partial<Message>): void {
    const amended = { ...message, ...more };
    if (this.#messages.has(message.id)) this.#messages.set(message.id, amended);
    this.#tell(amended);
  }

  /** A question and its answer, as one. */
  exchange(question: Message, answer: Pick<Message, 'status' | 'body'>): void {
    const { id } = this.say(question);
    this.say({ ...answerTo(question), ...answer, answers: id });
  }

  /** All messages after that number, then every new one. Returns how to stop. */
  follow(after: number, listener: Listener): () => void {
    for (const message of this.#messages.values()) if (message.id > after) listener(message);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(message: NumberedMessage): NumberedMessage {
    for (const listener of this.#listeners) listener(message);
    return message;
  }
}

/** The way back. */
export const answerTo = ({ from, to, title, who }: Message): Message => ({
  from: to,
  to: from,
  title,
  ...(who && { who }),
});
