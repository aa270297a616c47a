/** A subscribe message in 服务通知 on the phone. */
export interface SubscribePhoneMessage {
  kind: 'subscribe';
  appId: string;
  at: Date;
  /** 64 bits. */
  msgId: string;
  templateId: string;
  title: string;
  /** The values by the keys of the template. */
  data: Readonly<Record<string, string>>;
  /** The page that a tap opens. Absent: the message cannot be tapped. */
  page?: string;
  miniprogramState: string;
  lang: string;
}

/** A message of the customer service (客服消息). */
export interface CustomerPhoneMessage {
  kind: 'customer';
  appId: string;
  at: Date;
  msgtype: string;
  /** The object that WeChat's field of the same name as `msgtype` has: `{ content }` of a text. */
  content: Readonly<Record<string, unknown>>;
}

/** A message that arrived on the phone. */
export type PhoneMessage = SubscribePhoneMessage | CustomerPhoneMessage;
