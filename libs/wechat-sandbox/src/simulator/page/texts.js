import { html } from '../vendor/lit-html.js';
import { SHOP_BUTTONS, SHOP_TEXTS } from './shop-texts.js';
import { state } from './state.js';

/** The texts of the page in Chinese and English. `{name}` is replaced by a value. */
const TEXTS = {
  title: ['微信小程序模拟器', 'WeChat mini-program simulator'],
  subtitle: [
    '左边是手机，右边是真实的请求。',
    'A phone on the left, the real requests on the right.',
  ],
  otherLanguage: ['English', '中文'],
  skip: ['跳到手机', 'Skip to the phone'],
  jumpPhone: ['手机', 'Phone'],
  jumpTour: ['导览', 'Tour'],
  jumpDiagram: ['时序图', 'Diagram'],
  jumpControls: ['控制台', 'Controls'],
  jumps: ['本页各部分', 'Parts of this page'],
  disconnected: [
    '与沙箱的连接断了，正在重连…',
    'The connection to the sandbox is lost, reconnecting…',
  ],
  noApp: [
    '还没有连接服务器。用 --app http://127.0.0.1:3000 启动沙箱，或运行 npm start。',
    'No server is connected. Start the sandbox with --app http://127.0.0.1:3000, or run npm start.',
  ],
  noUsers: ['还没有微信用户，先创建一个。', 'There are no WeChat users yet. Create one first.'],

  devices: ['设备', 'Devices'],
  devicePhone: ['手机', 'Phone'],
  deviceSecond: ['另一部手机', 'Second phone'],
  deviceWebsite: ['网站', 'Website'],
  users: ['微信用户', 'WeChat user'],
  newUser: ['新用户', 'New user'],
  highRisk: ['被风控', 'blocked'],

  miniProgram: ['小程序', 'Mini program'],
  guest: ['未登录', 'Not signed in'],
  guestHint: ['点下面的绿色按钮开始', 'Start with the green button'],
  sessionLive: ['会话有效', 'The session is valid'],
  phoneSessionEnded: ['会话已结束，请重新登录', 'The session has ended, sign in again'],
  screen: ['屏幕', 'Screen'],
  busy: ['请稍候…', 'One moment…'],
  encrypted: ['旧式：发送密文，服务器自己解密', 'Old way: send ciphertext, the server decrypts it'],

  emptyScreen: [
    '点一下按钮，请求就会显示在右边。',
    'Press a button to see its requests on the right.',
  ],
  welcomeNew: [
    '欢迎！服务器第一次见到你，已为你创建用户。',
    'Welcome! This is your first login, so the server has created a user.',
  ],
  welcomeBack: [
    '欢迎回来！服务器认出了你的 openid。',
    'Welcome back! The server has recognized your openid.',
  ],
  tradedCode: ['code {code} 换成了', 'The code {code} was exchanged for'],
  refreshed: ['换了新的 session_rd', 'A new session_rd'],
  replacedWorks: [
    '旧的 session_rd 还在宽限期内，所以仍然可用。',
    'The old session_rd is in its grace period, so it still works.',
  ],
  whoAmI: ['服务器说你是', 'The server says you are'],
  sessionTold: ['守卫里的会话', 'The session in the guard'],
  profileSaved: ['签名已验证，资料已解密并保存', 'Signature verified, profile decrypted and saved'],
  todaysWay: [
    '今天的做法：微信不再给昵称，由用户自己填写',
    'The current way: WeChat no longer provides the nickname, the user types it',
  ],
  nickName: ['昵称', 'Nickname'],
  save: ['保存', 'Save'],
  noName: ['（没有昵称）', '(no name)'],
  phoneVerified: ['已验证的手机号', 'Verified number'],
  phoneByCode: [
    '服务器用 code 向微信问到了号码。',
    'The server got the number from WeChat with the code.',
  ],
  phoneDecrypted: [
    '服务器用 session_key 自己解密，没有再问微信。',
    'The server decrypted it with the session_key and did not call WeChat.',
  ],
  phoneRegistered: [
    '已注册并登录，应用自己的令牌：',
    'Registered and signed in. The app’s own token:',
  ],
  phoneSignedIn: [
    '此号码已注册，已登录，应用自己的令牌：',
    'This number is registered. You are signed in with the app’s own token:',
  ],
  phoneTakenOver: [
    '号码已转到你自己的账号，并用应用自己的令牌登录：',
    'The number belongs to your own account now. You are signed in with the app’s own token:',
  ],
  notLinked: ['这个账号可能是别人的', 'This account may belong to another person'],
  notLinkedHint: [
    '号码已注册，但服务器无法确认账号是你的，所以令牌只能读取这个账号。',
    'The number is registered, but the server cannot confirm that the account is yours. Its token can only read the account.',
  ],
  notMyAccount: ['这不是我的账号', 'This is not my account'],
  takeOverHint: [
    '号码会转到你自己的账号。那个账号保留其余的一切。',
    'The number moves to your own account. The other account keeps all other data.',
  ],
  notRegistered: ['这个号码还没有注册', 'This number is not registered yet'],
  ticketHint: [
    '服务器给了一张 10 分钟内有效、只能用一次的注册票据。',
    'The server returned a registration ticket that works once, within 10 minutes.',
  ],
  register: ['用此号码注册', 'Register this number'],
  recordings: ['我的语音', 'My clips'],
  noRecordings: ['还没有语音', 'No clips yet'],
  toneHint: [
    '模拟器没有麦克风，上传的是一秒钟的 440 Hz 音。',
    'The simulator has no microphone. It uploads a tone of 440 Hz for one second.',
  ],
  playNumber: ['播放第 {n} 段', 'Play clip {n}'],
  deleteNumber: ['删除第 {n} 段', 'Delete clip {n}'],
  clip: ['第 {n} 段', 'Clip {n}'],
  codeDrawn: ['小程序码里有 scene', 'The code contains the scene'],
  codeAlt: ['一个小程序码，scene 是 {scene}', 'A mini-program code with the scene {scene}'],
  scanIt: ['用另一部手机扫一扫', 'Scan it with the second phone'],
  loggedOut: [
    '已退出。这个 session_rd 从此无效。',
    'Logged out. This session_rd is no longer valid.',
  ],

  secondIdle: [
    '先在手机上生成一个小程序码，再来这里扫。',
    'Create a QR code on the phone first, then scan it here.',
  ],
  secondUnknown: [
    '这个码不是本沙箱画的，扫不出内容。',
    'This sandbox has not created the code, so it cannot read it.',
  ],
  secondWho: ['谁来扫', 'Who scans'],
  secondScan: ['扫一扫', 'Scan'],
  secondOpened: ['{name} 的手机打开了', 'On {name}’s phone WeChat opened'],
  secondScene: [
    'onLoad(query) 里的 scene 告诉小程序：从哪个码进来。',
    'The scene in onLoad(query) tells the mini program which code was scanned.',
  ],

  siteTitle: ['在电脑上用微信登录', 'WeChat on a website'],
  siteHint: [
    '网站打开微信的授权页，拿到 code，再请中控服务换成令牌。appSecret 不进浏览器。',
    'The website opens WeChat’s consent page and gets a code. The central service exchanges it for a token. The appSecret never reaches the browser.',
  ],
  siteStart: ['打开扫码页', 'Open the consent page'],
  siteFrame: ['微信的授权页', 'WeChat’s consent page'],
  siteWorking: ['网站后台正在用 code 换令牌…', 'The website’s backend is exchanging the code…'],
  siteNoApp: [
    '沙箱里没有网站应用，无法演示。',
    'This sandbox has no website app, so it cannot show this.',
  ],
  siteRefused: [
    '服务器没有接受：{msg}。它需要配置 WECHAT_MOBILE_APP_ID，并提供 /wx/v1 中控路由。',
    'The server did not accept it: {msg}. It needs WECHAT_MOBILE_APP_ID and the central routes under /wx/v1.',
  ],
  siteHello: ['网站认识你了', 'The website has recognized you'],
  again: ['再来一次', 'Once more'],
  stateMismatch: [
    'state 对不上，可能是跨站攻击，网站不继续。',
    'The state does not match. It may be a cross-site attack, so the website stops.',
  ],

  diagram: ['时序图', 'Sequence diagram'],
  diagramEmpty: [
    '还没有消息。点一下手机上的绿色按钮。',
    'No messages yet. Press the green button on the phone.',
  ],
  lifelines: ['三条生命线', 'Three lifelines'],
  client: ['小程序', 'Mini program'],
  server: ['你的服务器', 'Your server'],
  wechat: ['微信', 'WeChat'],
  clear: ['清空', 'Clear'],
  noResponse: ['没有响应', 'no response'],
  by: ['{from} 到 {to}', '{from} to {to}'],
  stepTime: ['沙箱时间 {time}', 'Sandbox time {time}'],
  took: ['{ms} 毫秒', '{ms} ms'],
  noBody: ['没有正文', 'No body'],
  json: ['JSON', 'JSON'],

  'note.clock/advance': ['时钟拨快了 {by}', 'The clock moved forward by {by}'],
  'note.next': ['下一次调用将返回 {errcode}', 'The next call returns {errcode}'],
  'note.always': ['从现在起微信断线', 'WeChat is dead from now on'],
  'note.slow': ['从现在起微信很慢', 'WeChat is slow from now on'],
  'note.clear': ['微信恢复正常', 'WeChat is well again'],
  'note.access-tokens/invalidate': [
    '微信作废了 access token',
    'WeChat invalidated the access token',
  ],
  'note.rotateSessionKey': [
    '微信换了 {who} 的 session_key',
    'WeChat changed the session_key of {who}',
  ],
  'note.users': ['新增了一位微信用户', 'A new WeChat user'],

  session: ['会话', 'Session'],
  sessionNone: [
    '还没有会话。登录以后，这里的进度条显示剩余的时间。',
    'No session yet. After a login, a bar here shows the time that is left.',
  ],
  sessionLeft: ['还剩 {left}', '{left} left'],
  sessionOver: ['到期了', 'expired'],
  sessionEnded: ['服务器不再接受它', 'the server no longer accepts it'],
  sessionBar: ['session_rd 剩余的时间', 'Time left for the session_rd'],
  graceBar: ['旧 session_rd 的宽限期', 'Grace period of the replaced session_rd'],
  graceLeft: ['宽限期还剩 {left}', '{left} left in the grace period'],
  graceOver: ['宽限期已过', 'the grace period is over'],
  replaced: ['旧', 'old'],
  current: ['现在', 'now'],
  loginEnd: [
    '无论怎么刷新，这次登录最晚到 {time}',
    'With any number of refreshes, this login ends at {time}',
  ],
  refresh: ['刷新', 'Refresh'],
  tryReplaced: ['用旧的试试', 'Try the old one'],
  ownClock: [
    '你的服务器用的是自己的时钟，拨沙箱的时钟影响不到它的会话。',
    'Your server uses its own clock, so the clock of the sandbox does not change its sessions.',
  ],

  controls: ['沙箱控制台', 'Sandbox controls'],
  clock: ['时钟', 'Clock'],
  clockNow: ['微信那里现在是 {time}', 'The time at WeChat is {time}'],
  advanceBy: ['拨快 +{by}', 'Forward +{by}'],
  expire: ['让会话过期', 'Expire the session'],
  keys: ['钥匙和令牌', 'Keys and tokens'],
  rotate: ['更换 session_key', 'Rotate session_key'],
  invalidate: ['作废 access token', 'Invalidate access token'],
  nextResponse: ['下一次响应', 'The next response'],
  path: ['接口', 'Call'],
  anyPath: ['任何接口', 'any call'],
  errcode: ['错误码', 'errcode'],
  setErrcode: ['设为下一次响应', 'Set as next response'],
  condition: ['微信的状态', 'WeChat is'],
  conditionWell: ['正常', 'well'],
  conditionSlow: ['慢（2 秒）', 'slow (2 s)'],
  conditionDead: ['断线', 'dead'],
  doneAdvance: ['时钟拨快了 {by}', 'The clock moved forward by {by}'],
  doneExpire: [
    '会话已过期：随便发一个请求看看结果。',
    'The session has expired. Send any request to see the result.',
  ],
  noSession: ['还没有会话可以过期。', 'There is no session to expire.'],
  doneRotate: [
    'session_key 换了：服务器手里的是旧的。',
    'The session_key has changed: the server has the old one.',
  ],
  doneInvalidate: [
    'access token 已作废：服务器会发现并换一个。',
    'The access token is invalid now. The server will notice it and get a new one.',
  ],
  doneNext: ['下一次 {path} 会返回 {errcode}', 'The next {path} will return {errcode}'],
  doneCondition: ['微信现在：{condition}', 'WeChat is now {condition}'],

  tour: ['导览', 'Guided tour'],
  tourStep: ['第 {n} 步，共 {all} 步', 'Step {n} of {all}'],
  tourBack: ['上一步', 'Back'],
  tourNext: ['下一步', 'Next'],
  tourDone: ['做到了', 'Done'],
  tourDo: ['试一试', 'Try it'],

  problemServer: ['连不上服务器：{msg}', 'The server cannot be reached: {msg}'],
  refused: ['服务器拒绝了：{status}', 'The server refused: {status}'],
  'cure.ERR_WECHAT_SESSION': [
    '没有有效的会话。重新登录即可。',
    'There is no valid session. Sign in again.',
  ],
  'cure.ERR_WECHAT_DECRYPT': [
    '服务器的 session_key 和微信的不同，无法解密。重新登录会得到新的。',
    'The server’s session_key differs from WeChat’s, so it cannot decrypt. A new login gets the new key.',
  ],
  'cure.ERR_WECHAT_SIGNATURE': [
    '签名对不上：服务器的 session_key 过时了。重新登录会得到新的。',
    'The signature does not match, because the server’s session_key is outdated. A new login gets the new one.',
  ],
  'cure.ERR_WECHAT_CODE': [
    '微信拒绝了这个 code：用过、过期，或属于别的应用。',
    'WeChat refused the code: it is used, expired, or from another app.',
  ],
  'cure.ERR_WECHAT_BLOCKED': [
    '微信的风控拦住了这个用户。',
    'WeChat’s risk control blocks this user.',
  ],
  'cure.ERR_WECHAT_UNAVAILABLE': [
    '微信没有响应。已有的会话不受影响，请稍后再试。',
    'WeChat does not respond. Existing sessions still work. Try again later.',
  ],
  'cure.ERR_WECHAT_RATE_LIMIT': [
    '太频繁了，等一会儿再试。',
    'Too many calls. Wait a moment and try again.',
  ],
  'cure.ERR_NOT_FOUND': ['服务器没有这个接口。', 'The server has no such route.'],

  ...SHOP_TEXTS,
};

export function t(key, values = {}) {
  const pair = TEXTS[key];
  if (!pair) return key;
  return pair[state.lang === 'zh' ? 0 : 1].replaceAll(
    /\{(\w+)\}/g,
    (_, name) => values[name] ?? '',
  );
}

export const has = (key) => key in TEXTS;

/** The names of the mini program's buttons are the same in both languages. */
const BUTTONS = {
  login: ['微信登录', 'WeChat login'],
  profile: ['获取头像昵称', 'Profile'],
  phone: ['手机号快捷登录', 'Phone number'],
  record: ['录音', 'Record'],
  code: ['小程序码', 'QR code'],
  logout: ['退出登录', 'Log out'],
  ...SHOP_BUTTONS,
};

/** The name of a button in both languages, so that every reader finds it. */
export function bilingual(name) {
  const [chinese, english] = BUTTONS[name];
  return html`<span><b lang="zh-CN">${chinese}</b><i> / </i><b lang="en">${english}</b></span>`;
}

const two = (n) => String(n).padStart(2, '0');

/** Formats a duration: 29:41, 6:12:00. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const clockTime = (
  at,
  options = { hour: '2-digit', minute: '2-digit', second: '2-digit' },
) => new Date(at).toLocaleTimeString(state.lang === 'zh' ? 'zh-CN' : 'en-GB', options);

export const dayTime = (at) =>
  new Date(at).toLocaleString(state.lang === 'zh' ? 'zh-CN' : 'en-GB', {
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
  });

/** Shortens a token to both ends, so that a reader recognises it. */
export const short = (token = '') => `${token.slice(0, 8)}…${token.slice(-4)}`;
