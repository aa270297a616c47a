import { WechatApps } from '../app-registry/wechat-apps.js';
import { MessagePushService, openPush } from '../index.js';
import { PushCipher, pushSignature } from './push.cipher.js';

/* Test vectors that WeChat and its SDKs publish. */

const GUIDE = { token: 'AAAAA', aesKeys: ['A'.repeat(43)], appId: 'wxba5fad812f8e6fb9' };
const SDK_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
const at = (timestamp: string): Date => new Date(Number(timestamp) * 1000);

it('verifies the URL as in the guide', async () => {
  const apps = [{ appId: GUIDE.appId, secret: 's', kind: 'mini-program', push: GUIDE }];
  const options = { apps, push: { maxAgeMs: 0 } } as never;
  const service = new MessagePushService(
    options,
    new WechatApps(options, {} as never, {} as never),
    {} as never,
    {} as never,
    {} as never,
    {} as never,
    {} as never,
  );
  const query = {
    signature: 'f464b24fc39322e44b38aa78f5edd27bd1441696',
    echostr: '4375120948345356249',
    timestamp: '1714036504',
    nonce: '1514711492',
  };
  expect(await service.handle({ method: 'GET', query })).toMatchObject({
    status: 200,
    body: query.echostr,
  });
  expect(await service.handle({ method: 'GET', query: { ...query, nonce: '1' } })).toMatchObject({
    status: 403,
    body: '',
  });
});

it('opens the plain push of the guide', () => {
  const query = {
    signature: '899cf89e464efb63f54ddac96b0a0a235f53aa78',
    timestamp: '1714037059',
    nonce: '486452656',
  };
  const body = Buffer.from(
    '{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714037059,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}',
  );
  const { appId, token } = GUIDE;
  expect(openPush({ appId, token, query, body, now: at(query.timestamp) })).toEqual({
    appId,
    type: 'event',
    event: 'debug_demo',
    from: 'o9AgO5Kd5ggOC-bXrbNODIiE3bGY',
    to: 'gh_97417a04a28d',
    createdAt: at(query.timestamp),
    encrypted: false,
    data: JSON.parse(body.toString()),
  });
});

it('opens the secure push of the guide', () => {
  const query = {
    signature: '6c5c811b55cc85e0e1b54100749188c20beb3f5d',
    timestamp: '1714112445',
    nonce: '415670741',
    openid: 'o9AgO5Kd5ggOC-bXrbNODIiE3bGY',
    encrypt_type: 'aes',
    msg_signature: '046e02f8204d34f8ba5fa3b1db94908f3df2e9b3',
  };
  const Encrypt =
    '+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=';
  const body = Buffer.from(JSON.stringify({ ToUserName: 'gh_97417a04a28d', Encrypt }));
  const now = at(query.timestamp);
  expect(openPush({ ...GUIDE, query, body, now })).toMatchObject({
    encrypted: true,
    event: 'debug_demo',
    data: { CreateTime: 1714112445, debug_str: 'hello world' },
  });
  expect(() => openPush({ ...GUIDE, query, body })).toThrow('too old');
});

it('encrypts and signs a reply as in the guide', () => {
  const cipher = new PushCipher(GUIDE.aesKeys[0]!, GUIDE.appId);
  const encrypted = cipher.encrypt('{"demo_resp":"good luck"}', Buffer.from('707722b803182950'));
  expect(encrypted).toBe(
    'ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==',
  );
  expect(pushSignature(GUIDE.token, '1713424427', '415670741', encrypted)).toBe(
    '1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1',
  );
});

describe('the test data of SDKs', () => {
  const sdk = new PushCipher(SDK_KEY, 'wxb11529c136998cb6');
  const chinese =
    'jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==';
  const video =
    'jn1L23DB+6ELqJ+6bruv23M2GmYfkv0xBh2h+XTBOKVKcgDFHle6gqcZ1cZrk3e1qjPQ1F4RsLWzQRG9udbKWesxlkupqcEcW7ZQweImX9+wLMa0GaUzpkycA8+IamDBxn5loLgZpnS7fVAbExOkK5DYHBmv5tptA9tklE/fTIILHR8HLXa5nQvFb3tYPKAlHF3rtTeayNf0QuM+UW/wM9enGIDIJHF7CLHiDNAYxr+r+OrJCmPQyTy8cVWlu9iSvOHPT/77bZqJucQHQ04sq7KZI27OcqpQNSto2OdHCoTccjggX5Z9Mma0nMJBU+jLKJ38YB1fBIz+vBzsYjrTmFQ44YfeEuZ+xRTQwr92vhA9OxchWVINGC50qE/6lmkwWTwGX9wtQpsJKhP+oS7rvTY8+VdzETdfakjkwQ5/Xka042OlUb1/slTwo4RscuQ+RdxSGvDahxAJ6+EAjLt9d8igHngxIbf6YyqqROxuxqIeIch3CssH/LqRs+iAcILvApYZckqmA7FNERspKA5f8GoJ9sv8xmGvZ9Yrf57cExWtnX8aCMMaBropU/1k+hKP5LVdzbWCG0hGwx/dQudYR/eXp3P0XxjlFiy+9DMlaFExWUZQDajPkdPrEeOwofJb';

  it('decrypts and encrypts Chinese text with a key whose last character has unused bits', () => {
    expect(sdk.decrypt(chinese)?.toString()).toBe('我是中文abcd123');
    expect(sdk.encrypt('我是中文abcd123', Buffer.from('aaaabbbbccccdddd'))).toBe(chinese);
  });

  it('opens nested XML', () => {
    const query = {
      timestamp: '1407743423',
      nonce: '1',
      msg_signature: pushSignature('pamtest', '1407743423', '1', video),
    };
    const body = Buffer.from(
      `<xml><ToUserName>a</ToUserName><Encrypt><![CDATA[${video}]]></Encrypt></xml>`,
    );
    const now = at(query.timestamp);
    const app = { token: 'pamtest', aesKeys: [SDK_KEY], appId: 'wxb11529c136998cb6' };
    expect(openPush({ ...app, query, body, now })).toMatchObject({
      type: 'video',
      from: 'gh_7f083739789a',
      to: 'oia2Tj我是中文jewbmiOUlr6X-1crbLOvLw',
      data: {
        CreateTime: '1407743423',
        Video: {
          MediaId: 'eYJ1MbwPRJtOvIEabaxHs7TX2D-HV71s79GUxqdUkjm6Gs2Ed1KF3ulAOA9H1xG0',
          Title: 'testCallBackReplyVideo',
          Description: 'testCallBackReplyVideo',
        },
      },
    });
  });

  it('opens XML with 21 bytes of padding', () => {
    const Encrypt =
      'rTNFcsut4LfGuAFKEUVVpwcaCOTJzOd9twZdIW910jb3k+iicx2uvhttIZ3Qg9Qgty3BEF2xbOrz6boTfb30dMomcgrkTqdFPwnhqbk+kIQ7rZiwny9D7NUrTgA5kpX3KsZvrXzUZyP2x9YOlxbgm572lmxKvM7HAQQhIQ/p6HBmoY30bGXFK0BtIu1pW9TjhOYrLQoU18nWYjWqDA1ynkmOytpv7QRI1P1+0NoxL0q2zO1DgeSvnE8CZGo/o5Ap/WHK5W2RAsinpzN4/LjPnmB6U01I5XCoJoC0GK/yMZycd2Oh8Nq6+wBkC1U85oy0ktOY4nLvsQMLrourmMGdZHuTbqpeJ8Ao/5PRYJ+WBvRUwPfGKBL2+2IKZF49vAJqkcGWSHGE76ZN2erXeuNazf/o9o3lIE3q739o4c8t9QGPe31GT2Go/rOz1BsrASwvauNulCh+++yz+CQzBIuikA==';
    const query = {
      timestamp: '1458300676',
      nonce: '260774613',
      msg_signature: '4f3ad57b6989f09f4eb392acce4f9e93942ed890',
    };
    const body = Buffer.from(`<xml><Encrypt>${Encrypt}</Encrypt></xml>`);
    const app = { token: 'pamtest', aesKeys: [SDK_KEY], appId: 'wxb11529c136998cb6' };
    expect(openPush({ ...app, query, body, now: at(query.timestamp) })).toMatchObject({
      type: 'text',
      id: '12345',
      data: { Content: 'hello', URL: 'http://wechat.laravel.so/server' },
    });
  });

  it('joins the sorted texts without a separator', () => {
    expect(pushSignature('345', '123')).toBe('9f537aeb751ec72605f57f94a2f6dc3e3958e1dd');
  });
});
