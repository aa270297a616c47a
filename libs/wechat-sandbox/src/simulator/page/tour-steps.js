import { state } from './state.js';

const ok = (m, title) => m.title === title && m.responseTo && m.status === 200;

/**
 * The guided tour. `done` looks at each message: when it says yes, the step has been tried out. In the texts, `[…]` is a button of the
 * page and `` `…` `` a name of the protocol.
 */
export const STEPS = [
  {
    title: ['三方对话', 'Three who talk'],
    text: [
      '左边是一部手机，里面有个小程序。右边的图记下三方之间的每一个真实请求：小程序、你的服务器、微信（这里是沙箱扮演的）。点开任意一步，看它的 JSON。黑条盖住的是谁也不该看到的秘密。',
      'On the left is a phone with a mini program. The diagram records every real request between three: the mini program, your server, and WeChat, played by the sandbox. Open any step to see its JSON. Black bars cover what nobody should read.',
    ],
  },
  {
    title: ['code：一张票据', 'code: a ticket'],
    text: [
      '小程序不知道用户是谁。它调用 `wx.login`，得到 `code`：5 分钟内有效、只能用一次，看不出身份。它把 `code` 交给你的服务器。',
      'The mini program does not know who you are. It calls `wx.login` and gets a `code`: good once, within 5 minutes, and telling nothing. It hands the `code` to your server.',
    ],
    task: ['点手机上的绿色按钮。', 'Tap the green button on the phone.'],
    done: (m) => ok(m, 'POST /auth/login'),
  },
  {
    title: ['session_key：共享的密钥', 'session_key: a shared key'],
    text: [
      '看中间往右的箭头：服务器用 `code` 和自己的 `secret` 换来 `openid`（你是谁）和 `session_key`（微信与服务器共享的密钥）。往左的箭头里没有 `session_key`：手机丢了，钥匙也不会丢。',
      'Look at the arrow from the middle to the right: with the `code` and its own `secret` the server gets the `openid` (who you are) and the `session_key` (shared by WeChat and the server). No arrow to the left carries the `session_key`: lose the phone, keep the key.',
    ],
    task: [
      '点开图里 `GET /sns/jscode2session` 的回答。',
      'Open the answer to `GET /sns/jscode2session` in the diagram.',
    ],
    opens: 'GET /sns/jscode2session',
  },
  {
    title: ['session_rd：你自己的凭证', 'session_rd: your own token'],
    text: [
      '服务器造一个随机的 `session_rd` 交给小程序，库里只留哈希。以后每个请求都带着它，服务器不用再问微信。',
      'The server makes up a random `session_rd` for the mini program and keeps only its hash. Every later request carries it, and WeChat need not be asked again.',
    ],
    task: [
      '在“会话的生命”里点 [GET /me]，看：没有箭头到微信。',
      'Press [GET /me] under “The life of the session”. No arrow goes to WeChat.',
    ],
    done: (m) => ok(m, 'GET /me'),
  },
  {
    title: ['解密', 'Decryption'],
    text: [
      '微信把资料用 `session_key` 加密后交给手机。手机读不懂，只能转交。服务器先验签名，再解密，再查水印。这一切都不用问微信。',
      'WeChat gives the phone a profile encrypted with the `session_key`. The phone cannot read it and passes it on. The server verifies the signature, decrypts, checks the watermark. It asks nobody.',
    ],
    task: [
      '点手机上的头像昵称按钮，比较 `PUT /me/profile` 的问和答。',
      'Tap the profile button on the phone and compare question and answer of `PUT /me/profile`.',
    ],
    done: (m) => ok(m, 'PUT /me/profile'),
  },
  {
    title: ['钥匙会换', 'Keys change'],
    text: [
      '微信随时可能换 `session_key`。服务器手里的旧钥匙解不开新密文：1004 或 1005。解法永远是重新登录，而不是重试。',
      'WeChat may change the `session_key` at any time. With the old key the server cannot open new ciphertext: 1004 or 1005. The cure is a new login, never a retry.',
    ],
    task: [
      '在控制台点 [更换 session_key]，再取一次资料；然后重新登录。',
      'Press [Rotate session_key] in the controls and get the profile again; then sign in again.',
    ],
    done: (m) => m.title === 'PUT /me/profile' && m.responseTo && m.status === 400,
  },
  {
    title: ['手机号', 'The phone number'],
    text: [
      '今天的做法：手机得到一个 `code`，服务器拿着 `access_token` 去问微信。旧做法：手机得到密文，服务器用 `session_key` 解密。两种都试试，看箭头有什么不同。',
      'Today’s way: the phone gets a `code`, and the server asks WeChat with its `access_token`. The old way: the phone gets ciphertext, and the server decrypts it with the `session_key`. Try both and compare the arrows.',
    ],
    task: [
      '点手机号按钮；再打开“旧式”开关，点一次。',
      'Tap the phone-number button; then again with the “Old way” switch on.',
    ],
    done: (m) =>
      m.title === 'POST /auth/phone-login' &&
      m.responseTo &&
      (m.status === 200 || m.body?.error === 'ERR_NOT_REGISTERED'),
  },
  {
    title: ['刷新与宽限', 'Refresh and grace'],
    text: [
      '条在变短。到期之前，小程序用 [刷新] 换来新的 `session_rd`，用户毫无感觉。旧的再活 60 秒：路上的请求不会失败。过了宽限期还拿它来刷新，服务器会当作被盗，结束整个登录。',
      'The bar grows shorter. Before it is gone the mini program gets a new `session_rd` with [Refresh]; nobody notices. The old one lives on for 60 seconds, for requests on their way. Whoever refreshes with it later is taken for a thief, and the whole login ends.',
    ],
    task: [
      '把时钟拨快 5 分钟，点 [刷新]，再点 [用旧的试试]。',
      'Move the clock 5 minutes forward, press [Refresh], then [Try the old one].',
    ],
    done: (m) => ok(m, 'POST /auth/refresh'),
  },
  {
    title: ['过期', 'Expiry'],
    text: [
      '会话到期以后，任何请求都是 401。小程序不该打扰用户，而是悄悄地再 `wx.login` 一次。',
      'Once the session has run out, every request is a 401. The mini program should not bother anyone with it, but call `wx.login` again, quietly.',
    ],
    task: ['点 [让会话过期]，再点 [GET /me]。', 'Press [Expire the session], then [GET /me].'],
    done: (m) => m.title === 'GET /me' && m.responseTo && m.status === 401,
  },
  {
    title: ['微信坏了', 'When WeChat is down'],
    text: [
      '微信断线时，[GET /me] 照样是 200：会话在你自己的库里。登录得到的是 503 而不是 401，所以小程序知道该等，而不是反复登录。',
      'When WeChat is dead, [GET /me] is still 200: the session lives in your own store. A login is 503, not 401, so the mini program knows to wait instead of signing in over and over.',
    ],
    task: [
      '把微信设为“断线”，再试一次登录。记得改回“正常”。',
      'Set WeChat to “dead” and try to sign in. Then make it well again.',
    ],
    done: (m) => m.title === 'POST /auth/login' && m.responseTo && m.status === 503,
  },
];

/** Marks what has just been tried, whichever step the reader is at. */
export function noteDone(isDone) {
  STEPS.forEach((step, index) => {
    if (isDone(step)) state.tour.done.add(index);
  });
}
