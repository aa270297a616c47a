import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** The page 消息推送 of a mini program whose WeChat is this file, so that a test can sign anything. */
export const PUSH = {
  appId: 'wx1234567890abcdef',
  token: 'AAAAA',
  aesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
  oldKey: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg',
} as const;

export type Format = 'json' | 'xml';

/** A push as it is sent. */
export interface PushMessage {
  query: Record<string, string>;
  body: Buffer;
}

export interface Signing {
  token?: string;
  /** In seconds; negative: in the future. */
  age?: number;
  nonce?: string;
  /** The exact time, instead of `age`. */
  timestamp?: string;
}

export interface Sealing extends Signing {
  format?: Format;
  aesKey?: string;
  appId?: string;
  /** Changes the frame before it is encrypted. */
  frame?: (frame: Buffer) => Buffer;
  /** Clear fields beside `Encrypt`, as in compatible mode. */
  beside?: object;
}

export const sha1 = (...texts: string[]): string =>
  createHash('sha1').update(texts.toSorted().join('')).digest('hex');

/** The query of a plain push, or of a secure one with what is encrypted. */
export function signedQuery(
  encrypted?: string,
  { token = PUSH.token, age = 0, nonce = '1514711492', timestamp }: Signing = {},
): Record<string, string> {
  const at = timestamp ?? String(Math.floor(Date.now() / 1000) - age);
  return {
    signature: sha1(token, at, nonce),
    timestamp: at,
    nonce,
    ...(encrypted !== undefined && {
      openid: 'o9AgO5Kd5ggOC-bXrbNODIiE3bGY',
      encrypt_type: 'aes',
      msg_signature: sha1(token, at, nonce, encrypted),
    }),
  };
}

const bytesOf = (message: object | string | Buffer, format: Format): Buffer =>
  Buffer.isBuffer(message)
    ? message
    : Buffer.from(typeof message === 'string' ? message : toText(message, format));

const toText = (message: object, format: Format): string =>
  format === 'json' ? JSON.stringify(message) : toXml(message);

/** A push in plain mode. */
export function plainPush(
  message: object | string | Buffer,
  { format = 'json', ...signing }: Signing & { format?: Format } = {},
): PushMessage {
  return { query: signedQuery(undefined, signing), body: bytesOf(message, format) };
}

/** A push in secure mode. */
export function securePush(
  message: object | string | Buffer,
  { format = 'json', aesKey, appId, frame, beside, ...signing }: Sealing = {},
): PushMessage {
  const Encrypt = encrypt(bytesOf(message, format), { aesKey, appId, frame });
  const outer = { ToUserName: 'gh_97417a04a28d', ...beside, Encrypt };
  return { query: signedQuery(Encrypt, signing), body: Buffer.from(toText(outer, format)) };
}

const key = (aesKey: string): Buffer => Buffer.from(`${aesKey}=`, 'base64');

export function encrypt(
  message: Buffer,
  {
    aesKey = PUSH.aesKey as string,
    appId = PUSH.appId as string,
    frame,
  }: Pick<Sealing, 'aesKey' | 'appId' | 'frame'> = {},
): string {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  const content = Buffer.concat([randomBytes(16), length, message, Buffer.from(appId)]);
  const padding = 32 - (content.length % 32);
  const padded = Buffer.concat([content, Buffer.alloc(padding, padding)]);
  const bytes = frame?.(padded) ?? padded;
  const cipher = createCipheriv('aes-256-cbc', key(aesKey), key(aesKey).subarray(0, 16));
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(bytes), cipher.final()]).toString('base64');
}

/** Decrypts without any check. */
export function decrypt(encrypted: string, aesKey: string = PUSH.aesKey): string {
  const decipher = createDecipheriv('aes-256-cbc', key(aesKey), key(aesKey).subarray(0, 16));
  decipher.setAutoPadding(false);
  const frame = Buffer.concat([decipher.update(encrypted, 'base64'), decipher.final()]);
  return frame.subarray(20, 20 + frame.readUInt32BE(16)).toString();
}

/** As in WeChat's samples: texts as CDATA, numbers bare, an array as a repeated element. */
export function toXml(fields: object): string {
  const elements = (of: object): string =>
    Object.entries(of)
      .flatMap(([name, value]) =>
        [value as unknown].flat().map((one) => {
          if (typeof one === 'object' && one !== null) return `<${name}>${elements(one)}</${name}>`;
          return typeof one === 'string'
            ? `<${name}><![CDATA[${one}]]></${name}>`
            : `<${name}>${String(one)}</${name}>`;
        }),
      )
      .join('');
  return `<xml>${elements(fields)}</xml>`;
}

const FRAME = {
  ToUserName: 'gh_97417a04a28d',
  FromUserName: 'o9AgO5Kd5ggOC-bXrbNODIiE3bGY',
  CreateTime: 1714112445,
};
const event = (Event: string, fields: object): Record<string, unknown> => ({
  ...FRAME,
  MsgType: 'event',
  Event,
  ...fields,
});
const LONG = '24702107513577842';
const popup = (TemplateId: string) => ({
  TemplateId,
  SubscribeStatusString: 'accept',
  PopupScene: '0',
});

/** A push of WeChat's documents: in JSON as text, because its long numbers do not survive JSON.stringify. */
export interface PushShape {
  name: string;
  json: string;
  xml: string;
  /** What the message must have, from both formats. Numbers are texts from XML. */
  has: { type: string; event?: string; id?: string; data?: Record<string, unknown> };
}

/** The pushes that WeChat's pages describe, in both formats. */
export const SHAPES: PushShape[] = [
  {
    name: 'text with a 64-bit id',
    json: `{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1714112445,"MsgType":"text","Content":"你好 \\"1234567890123456789\\"","MsgId":${LONG}}`,
    xml: `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName><CreateTime>1714112445</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好 "1234567890123456789"]]></Content><MsgId>${LONG}</MsgId></xml>`,
    has: { type: 'text', id: LONG, data: { Content: '你好 "1234567890123456789"', MsgId: LONG } },
  },
  {
    name: 'image',
    json: JSON.stringify({
      ...FRAME,
      MsgType: 'image',
      PicUrl: 'https://a/?b=1&c=2',
      MediaId: 'm',
      MsgId: 5,
    }),
    xml: toXml({
      ...FRAME,
      MsgType: 'image',
      PicUrl: 'https://a/?b=1&c=2',
      MediaId: 'm',
      MsgId: 5,
    }),
    has: { type: 'image', id: '5', data: { PicUrl: 'https://a/?b=1&c=2', MsgId: '5' } },
  },
  {
    name: 'mini-program page',
    json: JSON.stringify({
      ...FRAME,
      MsgType: 'miniprogrampage',
      Title: 'T',
      AppId: 'wx1',
      PagePath: 'p?a=1',
      ThumbUrl: '',
      ThumbMediaId: '',
      MsgId: 6,
    }),
    xml: '<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>miniprogrampage</MsgType><Title>T</Title><AppId>wx1</AppId><PagePath>p?a=1</PagePath><ThumbUrl/><ThumbMediaId></ThumbMediaId><MsgId>6</MsgId></xml>',
    has: {
      type: 'miniprogrampage',
      id: '6',
      data: { PagePath: 'p?a=1', ThumbUrl: '', ThumbMediaId: '' },
    },
  },
  {
    name: 'subscribe popup with one item, a bare object in JSON, and text numbers',
    json: JSON.stringify({
      ...event('subscribe_msg_popup_event', { List: popup('t1') }),
      CreateTime: '1714112445',
    }),
    xml: toXml(
      event('subscribe_msg_popup_event', { SubscribeMsgPopupEvent: { List: popup('t1') } }),
    ),
    has: { type: 'event', event: 'subscribe_msg_popup_event', data: { List: [popup('t1')] } },
  },
  {
    name: 'subscribe popup with one item in an array',
    json: JSON.stringify(event('subscribe_msg_popup_event', { List: [popup('t1')] })),
    xml: toXml(event('subscribe_msg_popup_event', { List: [popup('t1')] })),
    has: { type: 'event', event: 'subscribe_msg_popup_event', data: { List: [popup('t1')] } },
  },
  {
    name: 'subscribe popup with several items',
    json: JSON.stringify(event('subscribe_msg_popup_event', { List: [popup('t1'), popup('t2')] })),
    xml: toXml(
      event('subscribe_msg_popup_event', {
        SubscribeMsgPopupEvent: { List: [popup('t1'), popup('t2')] },
      }),
    ),
    has: {
      type: 'event',
      event: 'subscribe_msg_popup_event',
      data: { List: [popup('t1'), popup('t2')] },
    },
  },
  {
    name: 'subscribe change',
    json: JSON.stringify(
      event('subscribe_msg_change_event', {
        List: { TemplateId: 't', SubscribeStatusString: 'reject' },
      }),
    ),
    xml: toXml(
      event('subscribe_msg_change_event', {
        SubscribeMsgChangeEvent: { List: { TemplateId: 't', SubscribeStatusString: 'reject' } },
      }),
    ),
    has: {
      type: 'event',
      event: 'subscribe_msg_change_event',
      data: { List: [{ TemplateId: 't', SubscribeStatusString: 'reject' }] },
    },
  },
  {
    name: 'subscribe sent with a 64-bit id inside the list',
    json: `{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":"1620963428","MsgType":"event","Event":"subscribe_msg_sent_event","List":{"TemplateId":"t","MsgID":1864323726461255680,"ErrorCode":"0","ErrorStatus":"success"}}`,
    xml: '<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1620963428</CreateTime><MsgType>event</MsgType><Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent><List><TemplateId>t</TemplateId><MsgID>1864323726461255680</MsgID><ErrorCode>0</ErrorCode><ErrorStatus>success</ErrorStatus></List></SubscribeMsgSentEvent></xml>',
    has: {
      type: 'event',
      event: 'subscribe_msg_sent_event',
      data: {
        List: [
          { TemplateId: 't', MsgID: '1864323726461255680', ErrorCode: '0', ErrorStatus: 'success' },
        ],
      },
    },
  },
  {
    name: 'media check',
    json: '{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1626959646,"MsgType":"event","Event":"wxa_media_check","appid":"wx1","trace_id":"60f96f1d-3845297a-1976a3ae","version":2,"detail":[{"strategy":"content_model","errcode":0,"suggest":"pass","label":100,"prob":90}],"errcode":0,"errmsg":"ok","result":{"suggest":"pass","label":100}}',
    xml: toXml(
      event('wxa_media_check', {
        appid: 'wx1',
        trace_id: '60f96f1d-3845297a-1976a3ae',
        version: 2,
        detail: [{ strategy: 'content_model', errcode: 0 }],
        errcode: 0,
        result: { suggest: 'pass', label: 100 },
      }),
    ),
    has: {
      type: 'event',
      event: 'wxa_media_check',
      data: { trace_id: '60f96f1d-3845297a-1976a3ae', appid: 'wx1' },
    },
  },
  ...(
    ['user_info_modified', 'user_authorization_revoke', 'user_authorization_cancellation'] as const
  ).map((name) => {
    const fields = { OpenID: 'o2', AppID: 'wx1', RevokeInfo: '6', PluginID: '', OpenPID: ' ' };
    return {
      name,
      json: JSON.stringify(event(name, fields)),
      xml: toXml(event(name, fields)),
      has: { type: 'event', event: name, data: { OpenID: 'o2', RevokeInfo: '6' } },
    };
  }),
  {
    name: 'shipping reminder',
    json: JSON.stringify(
      event('trade_manage_remind_shipping', {
        transaction_id: '42000017',
        merchant_id: '19000',
        sub_merchant_id: '',
        merchant_trade_no: 'A-1',
        pay_time: 1670832735,
        msg: 'm',
      }),
    ),
    xml: toXml(
      event('trade_manage_remind_shipping', {
        transaction_id: '42000017',
        merchant_id: '19000',
        sub_merchant_id: '',
        merchant_trade_no: 'A-1',
        pay_time: 1670832735,
        msg: 'm',
      }),
    ),
    has: {
      type: 'event',
      event: 'trade_manage_remind_shipping',
      data: { transaction_id: '42000017', merchant_trade_no: 'A-1' },
    },
  },
  {
    name: 'customer-service session',
    json: JSON.stringify(event('user_enter_tempsession', { SessionFrom: 'home' })),
    xml: toXml(event('user_enter_tempsession', { SessionFrom: 'home' })),
    has: { type: 'event', event: 'user_enter_tempsession', data: { SessionFrom: 'home' } },
  },
  {
    name: 'test event of the console',
    json: JSON.stringify(event('debug_demo', { debug_str: 'hello world' })),
    xml: toXml(event('debug_demo', { debug_str: 'hello world' })),
    has: { type: 'event', event: 'debug_demo', data: { debug_str: 'hello world' } },
  },
];

let count = 0;

/** Another text message each time. */
export const textMessage = (over: object = {}): Record<string, unknown> => ({
  ...FRAME,
  MsgType: 'text',
  Content: `hello ${++count}`,
  MsgId: `9007199254${String(count).padStart(6, '0')}`,
  ...over,
});
