import type { SandboxClock } from './clock.js';
import { WechatFailure } from './wechat-failure.js';

/** How many messages the service may send, and until when. */
interface Window {
  until: number;
  left: number;
}

/** The conversation of one user with the customer service of one app. */
interface Conversation {
  /** Sorted by the end of the window, the earliest first. */
  windows: Window[];
  /** The last message in either direction. */
  lastMessageAt?: number;
  typingUntil?: number;
}

const SECOND_MS = 1000;
const AFTER_MESSAGE = { messages: 5, lifeMs: 48 * 3600 * SECOND_MS };
const AFTER_ENTRY = { messages: 2, lifeMs: 60 * SECOND_MS };
const TYPING_ALLOWED_MS = 30 * SECOND_MS;
const TYPING_LIFE_MS = 15 * SECOND_MS;

/** The conversations of users with the customer service (客服), and what WeChat lets the service send. */
export class CustomerSessions {
  private readonly conversations = new Map<string, Conversation>();

  constructor(private readonly clock: SandboxClock) {}

  /** The user sent a message: five messages within 48 hours. */
  onMessage(appId: string, openid: string): void {
    this.open(appId, openid, AFTER_MESSAGE);
    this.of(appId, openid).lastMessageAt = this.clock.now();
  }

  /** The user opened the customer-service session: two messages within a minute. */
  onEntry(appId: string, openid: string): void {
    this.open(appId, openid, AFTER_ENTRY);
  }

  /** The service sends a message. Throws 45015 if no window is open, 45047 if all messages of the windows are sent. */
  send(appId: string, openid: string): void {
    const conversation = this.of(appId, openid);
    const now = this.clock.now();
    const open = conversation.windows.filter(({ until }) => now < until);
    if (open.length === 0) throw new WechatFailure(45015);
    const window = open.find(({ left }) => left > 0);
    if (!window) throw new WechatFailure(45047);
    window.left -= 1;
    conversation.lastMessageAt = now;
    conversation.typingUntil = undefined;
  }

  /** The service types. Throws 45080 without a message within 30 s, 45081 if it types already. */
  type(appId: string, openid: string): void {
    const conversation = this.of(appId, openid);
    const now = this.clock.now();
    if (now - (conversation.lastMessageAt ?? -Infinity) > TYPING_ALLOWED_MS)
      throw new WechatFailure(45080);
    if (now < (conversation.typingUntil ?? 0)) throw new WechatFailure(45081);
    conversation.typingUntil = now + TYPING_LIFE_MS;
  }

  stopTyping(appId: string, openid: string): void {
    this.of(appId, openid).typingUntil = undefined;
  }

  /** Whether the phone shows 对方正在输入. */
  isTyping(appId: string, openid: string): boolean {
    return this.clock.now() < (this.of(appId, openid).typingUntil ?? 0);
  }

  /** A new window replaces those that end before it. */
  private open(
    appId: string,
    openid: string,
    { messages, lifeMs }: { messages: number; lifeMs: number },
  ): void {
    const conversation = this.of(appId, openid);
    const window = { until: this.clock.now() + lifeMs, left: messages };
    const others = conversation.windows.filter(({ until }) => until > window.until);
    conversation.windows = [window, ...others];
  }

  private of(appId: string, openid: string): Conversation {
    const key = `${appId} ${openid}`;
    const conversation = this.conversations.get(key) ?? { windows: [] };
    this.conversations.set(key, conversation);
    return conversation;
  }
}
