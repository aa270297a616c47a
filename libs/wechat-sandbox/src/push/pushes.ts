import { randomBytes } from 'node:crypto';
import type { Deliveries } from '../deliveries/deliveries.js';
import type { Delivery } from '../deliveries/delivery.js';
import { exchange } from '../deliveries/exchange.js';
import type { Apps } from '../world/apps.js';
import { unixSeconds } from '../world/clock.js';
import { openidOf } from '../world/ids.js';
import { pushConfig } from '../world/push.js';
import type { PushConfig, PushContent, PushEmitter, PushOptions } from '../world/push.js';
import { SandboxError } from '../world/sandbox-error.js';
import { Push, verificationOf } from './push.js';

/** The result of the console's check of a URL. */
export interface PushVerification {
  /** The server has returned the echostr. */
  ok: boolean;
  /** HTTP status of the response. 0: there was no response. */
  status: number;
  /** The reason if `ok` is false. */
  note?: string;
}

/** Message push (消息推送) of all apps. */
export class Pushes implements PushEmitter {
  private readonly configs = new Map<string, PushConfig>();

  constructor(
    private readonly apps: Apps,
    private readonly deliveries: Deliveries,
    private readonly closing: AbortSignal,
  ) {
    for (const { appId, push } of apps.all) if (push) this.configs.set(appId, push);
  }

  /** The configuration of an app. Undefined: WeChat pushes nothing. */
  configOf(appId: string): PushConfig | undefined {
    return this.configs.get(appId);
  }

  /** Saves the page 消息推送 of the console. It is not verified. */
  configure(appId: string, options: PushOptions): void {
    if (!this.apps.find(appId)) throw new SandboxError(`There is no app ${appId} in this sandbox.`);
    this.configs.set(appId, pushConfig(appId, options));
  }

  /** Starts a push. Resolves after its first attempt. */
  async send(appId: string, message: PushContent): Promise<Delivery> {
    return this.start(appId, this.need(appId), message);
  }

  async emit(appId: string, message: PushContent): Promise<void> {
    const config = this.configs.get(appId);
    if (config) await this.start(appId, config, message);
  }

  /** Sends the GET that the console sends when the page is saved. */
  async verify(appId: string): Promise<PushVerification> {
    const { url, token } = this.need(appId);
    const { query, echostr } = verificationOf(token);
    const { status, body, note } = await exchange('GET', url, { query }, this.closing);
    if (status === 200 && body === echostr) return { ok: true, status };
    return {
      ok: false,
      status,
      note: note ?? 'the response is not 200 with the echostr as its body',
    };
  }

  private start(appId: string, config: PushConfig, message: PushContent): Promise<Delivery> {
    return this.deliveries.send(new Push(appId, config, withFrame(appId, message)));
  }

  private need(appId: string): PushConfig {
    const config = this.configs.get(appId);
    if (config) return config;
    throw new SandboxError(
      `The app ${appId} has no push. Add it to startWechatSandbox({ apps: [{ …, push: { url, token, aesKey } }] }).`,
    );
  }
}

/** The fields that every message has. CreateTime is real time, because its receiver compares it with real time. */
function withFrame(appId: string, message: PushContent): PushContent {
  const { MsgType = 'event' } = message;
  return {
    ToUserName: originalIdOf(appId),
    FromUserName: openidOf(appId, 'push'),
    CreateTime: unixSeconds(Date.now()),
    MsgType,
    ...message,
    ...(MsgType !== 'event' && { MsgId: message['MsgId'] ?? newMsgId() }),
  };
}

/** The 原始ID of an app: `gh_` and 12 hex digits. */
const originalIdOf = (appId: string): string =>
  `gh_${Buffer.from(openidOf(appId, 'gh')).toString('hex').slice(0, 12)}`;

/** 64 bits, more than a JavaScript number holds. */
const newMsgId = (): bigint => (randomBytes(8).readBigUInt64BE() >> 2n) | (1n << 60n);
