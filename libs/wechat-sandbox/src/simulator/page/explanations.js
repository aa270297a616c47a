import { SHOP_EXPLANATIONS } from './shop-explanations.js';
import { state } from './state.js';

/** Explains each kind of step: first the request, then the response, in Chinese and English. */
const EXPLANATIONS = {
  ...SHOP_EXPLANATIONS,
  'wx.login': [
    [
      '小程序向微信要一个 code，它代表现在使用手机的用户。',
      'The mini program asks WeChat for a code of the user of this phone.',
    ],
    [
      '微信返回 code：5 分钟内有效、只能用一次。从它看不出用户是谁，所以可以交给小程序。',
      'WeChat returns a code that works once within 5 minutes. It does not identify the user, so the mini program may have it.',
    ],
  ],
  'POST /auth/login': [
    [
      '小程序把 code 原样交给你的服务器。',
      'The mini program sends the code to your server unchanged.',
    ],
    [
      '服务器创建了一个随机的 session_rd，只存储它的哈希。任何响应里都没有 session_key。',
      'The server has created a random session_rd and stores only its hash. No response contains the session_key.',
    ],
  ],
  'GET /sns/jscode2session': [
    [
      '服务器把 code 和只有它知道的 secret 发给微信。黑条就是 secret。',
      'The server sends WeChat the code and the secret that only the server knows. The black bar is the secret.',
    ],
    [
      'openid：这个人在这个小程序里的固定编号。unionid：在同一开放平台账号下通用。session_key：微信和服务器之间的共享密钥，以后用来解密和验签。',
      'openid: the id of the user in this mini program. unionid: the same in all apps of one open-platform account. session_key: a key that WeChat and the server share, for decryption and signatures later.',
    ],
  ],
  'POST /auth/refresh': [
    [
      '到期之前换一个新的 session_rd，用户什么也不用做。',
      'The mini program gets a new session_rd before the old one expires. The user does nothing.',
    ],
    [
      '旧的在宽限期内仍然有效，正在路上的请求不会失败。刷新不调用微信。',
      'The old one stays valid for its grace period, so pending requests do not fail. A refresh does not call WeChat.',
    ],
  ],
  'GET /me': [
    [
      'Authorization 里只有 session_rd，没有用户编号：编号可以伪造，随机数猜不出来。',
      'Authorization has the session_rd and no user id. An id can be forged, and a random number cannot be guessed.',
    ],
    [
      '服务器在自己的存储里找到了会话，没有调用微信。',
      'The server found the session in its own store and did not call WeChat.',
    ],
  ],
  'GET /auth/session': [
    ['守卫里的会话。', 'The session in the guard.'],
    [
      'expiresAt：这个 session_rd 到期。loginExpiresAt：无论怎么刷新，到那时都要重新登录。',
      'expiresAt: when this session_rd expires. loginExpiresAt: when a new login is needed, with any number of refreshes.',
    ],
  ],
  'wx.getUserInfo': [
    ['小程序向微信要用户资料。', 'The mini program asks WeChat for the profile.'],
    [
      'rawData 是明文。signature 是 sha1(rawData + session_key)，没有密钥就算不出来。encryptedData 是用 session_key 加密的完整资料。',
      'rawData is readable. signature is sha1(rawData + session_key), which cannot be computed without the key. encryptedData is the whole profile, encrypted with the session_key.',
    ],
  ],
  'PUT /me/profile': [
    [
      '密文和签名原样交给服务器。',
      'The mini program sends ciphertext and signature to the server unchanged.',
    ],
    [
      '服务器重算签名，用 AES-128-CBC 解密，再核对水印里的 appid 和时间。都通过了才保存。',
      'The server verifies the signature, decrypts with AES-128-CBC, and checks appid and time of the watermark. If all are right, it saves the profile.',
    ],
  ],
  getPhoneNumber: [
    ['用户点了手机号按钮并同意。', 'The user pressed the phone number button and agreed.'],
    [
      '微信返回两样：现在用的 code，和旧式的密文。小程序两样都读不懂。',
      'WeChat returns two things: a code, for the current way, and ciphertext, for the old way. The mini program cannot read them.',
    ],
  ],
  'POST /auth/phone-login': [
    [
      '小程序发送 code 或密文，而不是号码，因为号码可以伪造。',
      'The mini program sends a code or ciphertext and not the number, because a number can be forged.',
    ],
    [
      '号码已注册：返回应用自己的令牌；linked: false 表示账号可能是别人的，令牌只能读取它。未注册：返回 404、号码和一张注册票据。',
      'For a registered number the server returns the app’s own token. With linked: false the account may belong to another person, and the token can only read it. For a new number the server returns 404 with the number and a registration ticket.',
    ],
  ],
  'POST /auth/register': [
    [
      '票据证明：这个号码刚刚由微信验证过，属于这个会话。',
      'The ticket proves that WeChat has just verified this number for this session.',
    ],
    [
      '号码现在属于这个用户的账号。票据已作废。',
      'The number belongs to the account of this user now. The ticket is used.',
    ],
  ],
  'POST /wxa/business/getuserphonenumber': [
    [
      '服务器用 access token 把 code 发给微信，查询号码。',
      'The server sends the code to WeChat with its access token, to get the number.',
    ],
    [
      '微信直接告诉服务器，不经过手机，所以不需要解密。',
      'WeChat sends the number to the server directly and not through the phone, so it is not encrypted.',
    ],
  ],
  'POST /cgi-bin/stable_token': [
    [
      'access token 属于服务器，与用户无关。',
      'The access token belongs to the server. It is not related to a user.',
    ],
    [
      '有效两小时，所有实例共用一个，所以下次不需要这一步。',
      'It is valid for two hours and all instances share it, so this step is not needed next time.',
    ],
  ],
  'POST /recordings': [
    [
      'wx.uploadFile：一个 multipart 请求，一个文件。',
      'wx.uploadFile: one multipart request, one file.',
    ],
    [
      '服务器从内容认出格式，不看文件名。',
      'The server detects the format from the content, not from the file name.',
    ],
  ],
  'POST /qrcodes': [
    [
      '请服务器画一个小程序码，scene 最多 32 个字符。',
      'The mini program asks the server for a QR code. Its scene has at most 32 characters.',
    ],
    [
      '响应就是图片。服务器缓存相同的码。',
      'The response is the image. The server caches equal codes.',
    ],
  ],
  'POST /wxa/getwxacodeunlimit': [
    [
      '码由微信画，因为只有微信的扫一扫认得它。',
      'WeChat creates the code, because only WeChat’s scanner can read it.',
    ],
    [
      '一张图片。出错时是 JSON，所以服务器先检查响应。',
      'An image. An error would be JSON, so the server checks the response first.',
    ],
  ],
  'POST /auth/logout': [
    [
      '小程序删除 session_rd 之前，先请求服务器退出登录。',
      'The mini program logs out at the server before it deletes the session_rd.',
    ],
    [
      '会话在服务器上已删除，被抄走的 session_rd 也没用了。',
      'The session is deleted on the server, so a copied session_rd is invalid too.',
    ],
  ],
  'GET /connect/qrconnect': [
    [
      '网站把浏览器带到微信的授权页，带着自己的 appid、回跳地址和一个随机的 state。',
      'The website redirects the browser to WeChat’s consent page, with its appid, a redirect address and a random state.',
    ],
    ['微信的网页。', 'A page of WeChat.'],
  ],
  'POST /connect/qrconnect': [
    ['用户同意了。', 'The user agreed.'],
    [
      '微信带着 code 和 state 跳回网站。',
      'WeChat redirects to the website with a code and the state.',
    ],
  ],
  'GET /sns/oauth2/access_token': [
    [
      '用 code 和 secret 换令牌，与小程序的 jscode2session 相似。',
      'The server exchanges the code and the secret for tokens, as with jscode2session.',
    ],
    [
      '这里的 access_token 属于一个用户，和服务器自己的不是一回事。它留在服务器。',
      'This access_token belongs to one user and is not the server’s access token. It stays on the server.',
    ],
  ],
  'GET /sns/userinfo': [
    ['以用户的名义取资料。', 'The server reads the profile of the user.'],
    ['昵称、头像、unionid。', 'Nickname, picture and unionid.'],
  ],
  'GET /wx/v1/{appId}/{secret}/oauth2': [
    [
      '网站的后台请中控服务换 code。secret 只在后台之间出现。',
      'The website’s backend asks the central service to exchange the code. Only backends know the secret.',
    ],
    [
      '一个令牌。微信的 access_token 和 openid 留在服务器上。',
      'A token. WeChat’s access_token and openid stay on the server.',
    ],
  ],
  'GET /wx/v1/{appId}/{token}/userInfo': [
    [
      '令牌代表这个用户。refresh=true：请服务器问微信要最新的资料。',
      'The token identifies the user. With refresh=true the server gets the latest profile from WeChat.',
    ],
    [
      '网站知道是谁了，而它从没见过微信的令牌。',
      'The website knows the user and has not seen a token of WeChat.',
    ],
  ],
};

/** The title of a step without the ids and numbers of orders. */
const kindOf = (title) =>
  title.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, '{id}').replace(/\d{20}/, '{number}');

/** Returns the explanation of a step, or undefined. */
export function explanationOf({ title, responseTo, status }) {
  const pair = EXPLANATIONS[kindOf(title)]?.[responseTo ? 1 : 0];
  const succeeded = !responseTo || (status >= 200 && status < 400);
  return pair && succeeded ? pair[state.lang === 'zh' ? 0 : 1] : undefined;
}
