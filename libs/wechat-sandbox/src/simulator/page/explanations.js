import { state } from './state.js';

/** What each kind of step is for: question, then answer, in Chinese and English. */
const EXPLANATIONS = {
  'wx.login': [
    ['小程序问微信：现在用手机的是谁？', 'The mini program asks WeChat who is holding the phone.'],
    [
      '微信给的是 code：一张 5 分钟内有效、只能用一次的票据。从它看不出用户是谁，所以可以交给小程序。',
      'WeChat gives a code: a ticket, good once within 5 minutes. It tells nothing about the person, so the mini program may hold it.',
    ],
  ],
  'POST /auth/login': [
    [
      '小程序把 code 原样交给你的服务器。',
      'The mini program hands the code to your server as it is.',
    ],
    [
      '服务器自己造了一个随机的 session_rd。它的库里只有哈希；session_key 不在这个回答里，也永远不会在。',
      'The server made up a random session_rd and stores only its hash. The session_key is not in this answer, and never will be.',
    ],
  ],
  'GET /sns/jscode2session': [
    [
      '服务器用 code 加上只有它知道的 secret 去问微信。黑条就是 secret：它不会离开服务器和微信。',
      'The server takes the code and the secret that it alone knows to WeChat. The black bar is the secret.',
    ],
    [
      'openid：这个人在这个小程序里的固定编号。unionid：在同一开放平台账号下通用。session_key：微信和服务器之间的共享密钥，以后用来解密和验签。',
      'openid: who this is, in this mini program. unionid: the same in all apps of one account. session_key: a key that WeChat and the server share, for decrypting and verifying later.',
    ],
  ],
  'POST /auth/refresh': [
    [
      '在到期之前换一个新的 session_rd，用户什么也不用做。',
      'A new session_rd before the old one runs out; the person does nothing.',
    ],
    [
      '旧的再活一小会儿（宽限期），路上的请求不会失败。没有问微信：刷新是服务器自己的事。',
      'The old one lives on for its grace time, so requests on their way do not fail. WeChat was not asked.',
    ],
  ],
  'GET /me': [
    [
      'Authorization 里只有 session_rd，没有用户编号：编号可以伪造，随机数猜不出来。',
      'Authorization carries only the session_rd, no user id: an id can be forged, a random number cannot be guessed.',
    ],
    [
      '服务器从自己的库里认出了会话，没有问微信。',
      'The server knew the session from its own store, without WeChat.',
    ],
  ],
  'GET /auth/session': [
    ['守卫知道些什么？', 'What does the guard know?'],
    [
      'expiresAt：这个 session_rd 到期。loginExpiresAt：无论怎么刷新，到那时都要重新登录。',
      'expiresAt: this session_rd ends. loginExpiresAt: then comes a new login, however often it was refreshed.',
    ],
  ],
  'wx.getUserInfo': [
    ['小程序向微信要用户资料。', 'The mini program asks WeChat for the profile.'],
    [
      'rawData 谁都能读，signature 是 sha1(rawData + session_key)：没有钥匙就造不出来。encryptedData 是用 session_key 加密的完整资料。',
      'Anyone can read rawData; signature is sha1(rawData + session_key), which nobody can make without the key. encryptedData is all of it, encrypted with the session_key.',
    ],
  ],
  'PUT /me/profile': [
    ['密文和签名原样交给服务器。', 'Ciphertext and signature go to the server untouched.'],
    [
      '服务器重算签名，用 AES-128-CBC 解密，再核对水印里的 appid 和时间。三关都过了才保存。',
      'The server recomputes the signature, decrypts with AES-128-CBC and checks appid and time in the watermark. Only then it saves.',
    ],
  ],
  getPhoneNumber: [
    ['用户点了手机号按钮并同意。', 'The person tapped the phone-number button and agreed.'],
    [
      '微信同时给了两样：今天用的 code，和旧式的密文。小程序两样都读不懂。',
      'WeChat gives both: a code, today’s way, and ciphertext, the old one. The mini program can read neither.',
    ],
  ],
  'POST /auth/phone-login': [
    [
      '交给服务器的是 code 或密文，不是号码：号码可以乱填，它们不行。',
      'The server gets a code or ciphertext, not a number: a number could be made up, these cannot.',
    ],
    [
      '号码已注册：得到应用自己的令牌。未注册：404，连同号码和一张注册票据。',
      'A registered number: the app’s own token. A new one: 404 with the number and a registration ticket.',
    ],
  ],
  'POST /auth/register': [
    [
      '票据证明：这个号码刚刚由微信验证过，属于这个会话。',
      'The ticket proves that WeChat has just verified this number, for this session.',
    ],
    ['用户有了账号。票据已作废。', 'There is an account now. The ticket is used up.'],
  ],
  'POST /wxa/business/getuserphonenumber': [
    [
      '服务器用 access token 向微信问：这个 code 是哪个号码？',
      'With its access token the server asks WeChat: which number is behind this code?',
    ],
    [
      '微信直接告诉服务器，不经过手机，所以不需要解密。',
      'WeChat tells the server directly, past the phone, so nothing needs decrypting.',
    ],
  ],
  'POST /cgi-bin/stable_token': [
    [
      'access token 是服务器自己的通行证，与用户无关。',
      'The access token is the server’s own pass; it has nothing to do with any user.',
    ],
    [
      '有效两小时，所有实例共用一个，所以下次看不到这一步。',
      'It is good for two hours and shared by all instances, so this step will not be seen next time.',
    ],
  ],
  'POST /recordings': [
    [
      'wx.uploadFile：一个 multipart 请求，一个文件。',
      'wx.uploadFile: one multipart request, one file.',
    ],
    [
      '服务器从内容认出格式，不看文件名。',
      'The server tells the format from the content, not from the name.',
    ],
  ],
  'POST /qrcodes': [
    [
      '请服务器画一个小程序码，scene 最多 32 个字符。',
      'The server is asked for a mini-program code; its scene has up to 32 characters.',
    ],
    [
      '回答就是图片本身。相同的码服务器会缓存。',
      'The answer is the image itself. The server caches equal codes.',
    ],
  ],
  'POST /wxa/getwxacodeunlimit': [
    [
      '码由微信画，因为只有微信的扫一扫认得它。',
      'WeChat draws the code, since only WeChat’s scanner understands it.',
    ],
    [
      '一张图片。出错时却是 JSON，所以服务器要先看清楚。',
      'An image. After an error it would be JSON, so the server looks first.',
    ],
  ],
  'POST /auth/logout': [
    [
      '小程序忘掉 session_rd 之前，告诉服务器。',
      'The mini program tells the server before it forgets the session_rd.',
    ],
    [
      '会话在服务器上已删除，被抄走的 session_rd 也没用了。',
      'The session is deleted on the server; a copied session_rd is useless too.',
    ],
  ],
  'GET /connect/qrconnect': [
    [
      '网站把浏览器带到微信的授权页，带着自己的 appid、回跳地址和一个随机的 state。',
      'The website takes the browser to WeChat’s consent page, with its appid, a way back and a random state.',
    ],
    ['一个网页，由微信给出。', 'A page, served by WeChat.'],
  ],
  'POST /connect/qrconnect': [
    ['用户同意了。', 'The person agreed.'],
    [
      '微信带着 code 和 state 跳回网站。',
      'WeChat goes back to the website with a code and the state.',
    ],
  ],
  'GET /sns/oauth2/access_token': [
    [
      '用 code 和 secret 换令牌，与小程序的 jscode2session 相似。',
      'The code and the secret become tokens, much as with jscode2session.',
    ],
    [
      '这里的 access_token 属于一个用户，和服务器自己的不是一回事。它留在服务器。',
      'This access_token belongs to one person; it is not the server’s own pass. It stays on the server.',
    ],
  ],
  'GET /sns/userinfo': [
    ['以用户的名义取资料。', 'The profile, in the person’s name.'],
    ['昵称、头像、unionid。', 'Name, picture, unionid.'],
  ],
  'GET /wx/v1/{appId}/{secret}/oauth2': [
    [
      '网站的后台请中控服务换 code。secret 只在后台之间出现。',
      'The website’s backend has the central service trade the code. The secret is known to backends alone.',
    ],
    [
      '一个令牌。微信的 access_token 和 openid 留在服务器上。',
      'A token. WeChat’s access_token and openid stay on the server.',
    ],
  ],
  'GET /wx/v1/{appId}/{token}/userInfo': [
    [
      '令牌代表这个人。refresh=true：请服务器问微信要最新的资料。',
      'The token stands for the person. refresh=true: the server is to ask WeChat for the latest.',
    ],
    [
      '网站知道是谁了，而它从没见过微信的令牌。',
      'The website knows who it is, and has never seen a token of WeChat’s.',
    ],
  ],
};

/** What a step is for, if there is a sentence about it. */
export function explanationOf({ title, responseTo, status }) {
  const pair = EXPLANATIONS[title]?.[responseTo ? 1 : 0];
  const wentWell = !responseTo || (status >= 200 && status < 400);
  return pair && wentWell ? pair[state.lang === 'zh' ? 0 : 1] : undefined;
}
