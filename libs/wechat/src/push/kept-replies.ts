import { Injectable } from '@nestjs/common';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';

/** WeChat delivers a push again within about 15 s. */
const KEPT_MS = 60_000;

/** The replies of the last minute, encrypted, so that a repeated push gets the same reply on every instance. */
@Injectable()
export class KeptReplies {
  constructor(
    private readonly store: WechatStore,
    private readonly keyring: Keyring,
  ) {}

  /** Never rejects: without the kept reply a repeated push gets `success`. */
  async keep(appId: string, identity: string, reply: string): Promise<void> {
    const key = KEY_PREFIX.pushReply + identity;
    const sealed = this.keyring.sealingKey(appId).seal(key, Buffer.from(reply));
    await this.store.add(key, sealed, KEPT_MS).catch(() => false);
  }

  /** @throws StoreUnavailableError */
  async find(identity: string): Promise<string | undefined> {
    const key = KEY_PREFIX.pushReply + identity;
    const sealed = await this.store.get(key);
    return sealed && this.keyring.open(key, sealed)?.record.toString();
  }
}
