import { state } from './state.js';

const ok = (m, title) => m.title === title && m.responseTo && m.status === 200;

/**
 * The steps of the guided tour. A step is done when `done` returns true for a message. In the texts, `[…]` is a button of the page
 * and `` `…` `` a name of the protocol.
 */
const STEPS = [
  {
    title: ['三方对话', 'Three parties'],
    text: [
      '左边是一部手机，里面有个小程序。右边的图记下三方之间的每一个真实请求：小程序、你的服务器、微信（这里是沙箱扮演的）。点开任意一步，看它的 JSON。黑条盖住的是秘密。',
      'On the left is a phone with a mini program. The diagram shows every real request between the mini program, your server and WeChat, which is the sandbox here. Open a step to see its JSON. Black bars hide the secrets.',
    ],
  },
  {
    title: ['code：一张票据', 'code: a ticket'],
    text: [
      '小程序不知道用户是谁。它调用 `wx.login`，得到 `code`：5 分钟内有效、只能用一次，看不出身份。它把 `code` 交给你的服务器。',
      'The mini program does not know the user. It calls `wx.login` and gets a `code`, which works once within 5 minutes and does not identify the user. It sends the `code` to your server.',
    ],
    task: ['点手机上的绿色按钮。', 'Press the green button on the phone.'],
    done: (m) => ok(m, 'POST /auth/login'),
  },
  {
    title: ['session_key：共享的密钥', 'session_key: a shared key'],
    text: [
      '看中间往右的箭头：服务器用 `code` 和自己的 `secret` 换来 `openid`（用户的编号）和 `session_key`（微信与服务器共享的密钥）。往左的箭头里没有 `session_key`，所以丢了手机也不会泄露它。',
      'Look at the arrow from the middle to the right. With the `code` and its own `secret` the server gets the `openid` (the id of the user) and the `session_key` (a key that WeChat and the server share). No arrow to the left has the `session_key`, so a lost phone does not reveal it.',
    ],
    task: [
      '点开图里 `GET /sns/jscode2session` 的响应。',
      'Open the response to `GET /sns/jscode2session` in the diagram.',
    ],
    opens: 'GET /sns/jscode2session',
  },
  {
    title: ['session_rd：你自己的凭证', 'session_rd: your own token'],
    text: [
      '服务器造一个随机的 `session_rd` 交给小程序，库里只留哈希。以后每个请求都带着它，服务器不用再问微信。',
      'The server creates a random `session_rd` for the mini program and stores only its hash. Every later request sends it, and the server does not call WeChat again.',
    ],
    task: [
      '在“会话”里点 [GET /me]，看：没有箭头到微信。',
      'Press [GET /me] under “Session”. No arrow goes to WeChat.',
    ],
    done: (m) => ok(m, 'GET /me'),
  },
  {
    title: ['解密', 'Decryption'],
    text: [
      '微信把资料用 `session_key` 加密后交给手机。手机读不懂，只能转交给服务器。服务器先验签名，再解密，再查水印，不用调用微信。',
      'WeChat gives the phone a profile encrypted with the `session_key`. The phone cannot read it and sends it to the server. The server verifies the signature, decrypts the data and checks the watermark. It does not call WeChat.',
    ],
    task: [
      '点手机上的头像昵称按钮，比较 `PUT /me/profile` 的请求和响应。',
      'Press the profile button on the phone and compare request and response of `PUT /me/profile`.',
    ],
    done: (m) => ok(m, 'PUT /me/profile'),
  },
  {
    title: ['密钥会更换', 'The key changes'],
    text: [
      '微信随时可能换 `session_key`。旧密钥无法解密新密文：错误 1004 或 1005。解决办法是重新登录，不是重试。',
      'WeChat may change the `session_key` at any time. With the old key the server cannot decrypt new data: error 1004 or 1005. The solution is a new login, not a retry.',
    ],
    task: [
      '在控制台点 [更换 session_key]，再取一次资料，然后重新登录。',
      'Press [Rotate session_key] in the controls and get the profile again. Then log in again.',
    ],
    done: (m) => m.title === 'PUT /me/profile' && m.responseTo && m.status === 400,
  },
  {
    title: ['手机号', 'The phone number'],
    text: [
      '今天的做法：手机得到一个 `code`，服务器用 `access_token` 向微信查询。旧做法：手机得到密文，服务器用 `session_key` 解密。两种都试试，看箭头有什么不同。',
      'The current way: the phone gets a `code`, and the server queries WeChat with its `access_token`. The old way: the phone gets ciphertext, and the server decrypts it with the `session_key`. Try both and compare the arrows.',
    ],
    task: [
      '点手机号按钮，再打开“旧式”开关，点一次。',
      'Press the phone number button, then again with the “Old way” switch on.',
    ],
    done: (m) =>
      m.title === 'POST /auth/phone-login' &&
      m.responseTo &&
      (m.status === 200 || m.body?.error === 'ERR_NOT_REGISTERED'),
  },
  {
    title: ['刷新与宽限期', 'Refresh and grace period'],
    text: [
      '进度条显示剩余的时间。到期之前，小程序用 [刷新] 换来新的 `session_rd`，用户什么也不用做。旧的还能用 60 秒，所以正在路上的请求不会失败。宽限期之后用它刷新会被当作盗用，整个登录随之结束。',
      'The bar shows the time that is left. Before the session expires the mini program gets a new `session_rd` with [Refresh], and the user does nothing. The old one stays valid for 60 seconds, so pending requests do not fail. A later refresh with it counts as theft and ends the whole login.',
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
      '会话到期以后，任何请求都返回 401。小程序应当自动再调用一次 `wx.login`，不打扰用户。',
      'When the session has expired, every request returns 401. The mini program should call `wx.login` again by itself, without asking the user.',
    ],
    task: ['点 [让会话过期]，再点 [GET /me]。', 'Press [Expire the session], then [GET /me].'],
    done: (m) => m.title === 'GET /me' && m.responseTo && m.status === 401,
  },
  {
    title: ['微信坏了', 'WeChat is down'],
    text: [
      '微信断线时，[GET /me] 仍然返回 200，因为会话在你自己的存储里。登录返回 503 而不是 401，所以小程序会等待，而不是反复登录。',
      'When WeChat is dead, [GET /me] still returns 200, because the session is in your own store. A login returns 503, not 401, so the mini program waits instead of logging in again and again.',
    ],
    task: [
      '把微信设为“断线”，再试一次登录。记得改回“正常”。',
      'Set WeChat to “dead” and try to log in. Then set it to “well” again.',
    ],
    done: (m) => m.title === 'POST /auth/login' && m.responseTo && m.status === 503,
  },
  {
    ofShop: true,
    title: ['丢失的通知', 'A lost notification'],
    text: [
      '付款以后，微信支付通知服务器。通知可能丢失、重复，也可能是伪造的。所以服务器验证签名，并且自己去问微信支付：`sync`，以及定时的对账。',
      'After a payment WeChat Pay notifies the server. A notification may be lost, repeated or forged. So the server verifies signatures, and it also queries WeChat Pay itself: with `sync`, and by a job that reconciles orders.',
    ],
    task: [
      '在控制台点 [丢掉下一条通知]，在手机上买一杯咖啡，然后退款。',
      'Press [Lose the next notification] in the controls, buy a coffee on the phone, then refund it.',
    ],
    done: (m) => m.title === 'REFUND.SUCCESS' && m.responseTo && m.status === 204,
  },
];

/** The steps that fit the server. Those of the shop are the last. */
export const tourSteps = () => STEPS.filter(({ ofShop }) => !ofShop || state.world.hasShop);

/** Marks the steps that the reader has just tried, also if another step is shown. */
export function markDone(isDone) {
  STEPS.forEach((step, index) => {
    if (isDone(step)) state.tour.done.add(index);
  });
}
