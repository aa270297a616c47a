import type { Apps, SandboxApp } from './apps.js';
import { unixSeconds } from './clock.js';
import type { PushContent } from './push.js';
import type { Template } from './templates.js';

/** The user's decision in the dialog of `wx.requestSubscribeMessage`, and the mini program. */
export interface RequestSubscribeOptions {
  /** @default 'accept' */
  choose?: 'accept' | 'reject';
  /** @default the first mini program */
  appId?: string;
}

/** The result of `wx.requestSubscribeMessage`: `accept`, `reject` or `filter` by template id, or an `errCode`. */
export type SubscribeResult = { errMsg: string; errCode?: number } & Record<
  string,
  string | number | undefined
>;

const MOST_IDS = 5;

/** The consents of users to subscribe messages. */
export class Subscriptions {
  /** How many messages may be sent, by app, user and template. Infinity for a long-term template. */
  private readonly grants = new Map<string, number>();

  constructor(private readonly apps: Apps) {}

  /** The template with this id of an app. */
  template(appId: string, id: unknown): Template | undefined {
    return this.apps.find(appId)?.templates.find((template) => template.id === id);
  }

  /** What `wx.requestSubscribeMessage` does. Every accepted one-time template allows one more message. */
  request(
    { appId }: SandboxApp,
    openid: string,
    ids: readonly string[],
    choice: 'accept' | 'reject',
  ): SubscribeResult {
    if (ids.length === 0) return fail(10001, "TmplIds can't be empty");
    if (ids.length > MOST_IDS) return fail(20003, 'Templates count out of max bounds');
    const templates = ids.map((id) => this.template(appId, id));
    if (!templates.every((template) => template !== undefined))
      return fail(20001, 'No template data return, verify the template id exist');
    if (new Set(templates.map(({ type }) => type)).size > 1)
      return fail(20002, 'Templates type must be same');
    const result: SubscribeResult = { errMsg: 'requestSubscribeMessage:ok' };
    const titles = new Set<string>();
    for (const { id, title, type } of templates) {
      result[id] = titles.has(title) ? 'filter' : choice;
      titles.add(title);
      if (result[id] === 'accept') this.grant(keyOf(appId, openid, id), type);
    }
    return result;
  }

  /** Uses a consent for one message. Returns false if there is none. */
  spend(appId: string, openid: string, { id }: Template): boolean {
    const key = keyOf(appId, openid, id);
    const left = this.grants.get(key) ?? 0;
    if (left < 1) return false;
    this.grants.set(key, left - 1);
    return true;
  }

  private grant(key: string, type: Template['type']): void {
    this.grants.set(key, type === 3 ? Infinity : (this.grants.get(key) ?? 0) + 1);
  }
}

const keyOf = (appId: string, openid: string, id: string): string => `${appId} ${openid} ${id}`;

const fail = (errCode: number, reason: string): SubscribeResult => ({
  errMsg: `requestSubscribeMessage:fail ${reason}`,
  errCode,
});

/** The push after the dialog, `subscribe_msg_popup_event`. A list of one template is an object without an array. */
export function popupEvent(
  openid: string,
  { errMsg: _errMsg, ...choices }: SubscribeResult,
): PushContent {
  const list = Object.entries(choices).map(([TemplateId, choice]) => ({
    TemplateId,
    SubscribeStatusString: choice,
    PopupScene: '0',
  }));
  return {
    FromUserName: openid,
    CreateTime: String(unixSeconds(Date.now())),
    MsgType: 'event',
    Event: 'subscribe_msg_popup_event',
    List: list.length === 1 ? list[0] : list,
  };
}
