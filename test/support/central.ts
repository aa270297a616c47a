import type { SandboxUser } from 'nestjs-wechat-sandbox';
import type { AppResponse, Call } from './http.js';
import { start } from './start.js';
import type { Started, StartOptions } from './start.js';

export const SHOP = {
  appId: 'wx5a4db0c1e2f37608',
  secret: 'canary0c6f1a7be94d4f21a3d85b9e72',
  kind: 'mini-program',
} as const;
/** An app without an open-platform account. */
export const CAFE = {
  appId: 'wx77e0c35d18ab4f92',
  secret: 'canary5b02d9e8471fa6c3b7d80e19f4',
  kind: 'mini-program',
  openPlatform: false,
} as const;
export const PHONE = {
  appId: 'wxd19e84c63b7a2f50',
  secret: 'canary9b3e5d7082c14a6fb1f06e2d48',
  kind: 'mobile',
} as const;
/** An app of kind `website`, which the central service does not log in. */
export const SITE = {
  appId: 'wx3c91ab07d2e4f586',
  secret: 'canary60d3f7a915c28be47f02a9d1c4',
  kind: 'website',
} as const;
export const WEBSITE = {
  appId: 'wx0ab46d92f17e58c3',
  secret: 'canary21c4e8f09a6b3d75e1f7a0c2b9',
  kind: 'mobile',
} as const;

const MINI = '/wx/mini/v1';
const MOBILE = '/wx/v1';

/** The reference app with two apps of each kind, and the central routes as their existing clients write them. */
export async function startCentral(options: StartOptions = {}): Promise<Central> {
  const further = [CAFE, WEBSITE, SITE].map(({ appId, secret, kind }) => ({ appId, secret, kind }));
  const env = { WECHAT_APPS: JSON.stringify(further), ...options.env };
  const s = await start({
    ...options,
    env,
    sandbox: { ...options.sandbox, apps: [SHOP, CAFE, PHONE, WEBSITE, SITE] },
  });
  const get = (path: string, query: object = {}, call?: Call): Promise<AppResponse> =>
    s.call(`GET ${path}?${new URLSearchParams(query as Record<string, string>).toString()}`, call);
  return {
    ...s,
    get,
    code2Session: (code, app = SHOP) =>
      get(`${MINI}/${app.appId}/${app.secret}/code2Session`, { code }),
    oauth2: (code, app = PHONE, spelling = 'ouath2') =>
      get(`${MOBILE}/${app.appId}/${app.secret}/${spelling}`, { code }),
    userInfo: (token, refresh, app = PHONE) =>
      get(`${MOBILE}/${app.appId}/${token}/userInfo`, refresh ? { refresh } : {}),
    accessToken: (app = SHOP) => get(`${MINI}/${app.appId}/${app.secret}/access_token`),
    qrCode: (body, app = SHOP) =>
      s.call(`POST ${MINI}/${app.appId}/${app.secret}/qrcode/unlimited`, { body }),
    miniToken: async (user = s.wechat.users.create(), app = SHOP) =>
      dataOf(
        await get(`${MINI}/${app.appId}/${app.secret}/code2Session`, {
          code: (await user.login(app.appId)).code,
        }),
      ),
    mobileToken: async (user = s.wechat.users.create(), app = PHONE) =>
      dataOf(
        await get(`${MOBILE}/${app.appId}/${app.secret}/ouath2`, {
          code: (await user.authorize(app.appId)).code,
        }),
      ),
  };
}

type App = { appId: string; secret: string };

export interface Central extends Started {
  get: (path: string, query?: object, call?: Call) => Promise<AppResponse>;
  code2Session: (code: string, app?: App) => Promise<AppResponse>;
  oauth2: (code: string, app?: App, spelling?: 'ouath2' | 'oauth2') => Promise<AppResponse>;
  userInfo: (token: string, refresh?: string, app?: App) => Promise<AppResponse>;
  accessToken: (app?: App) => Promise<AppResponse>;
  qrCode: (body: unknown, app?: App) => Promise<AppResponse>;
  /** Logs a user in as a central client does. @default a new user */
  miniToken: (user?: SandboxUser, app?: App) => Promise<string>;
  mobileToken: (user?: SandboxUser, app?: App) => Promise<string>;
}

/** The refusals of the routes, as status and envelope. */
export const refusal = (code: number, msg: string, error: string): object => ({
  code,
  msg,
  data: null,
  success: false,
  error,
});

export const REFUSALS = {
  appId: [400, refusal(40013, 'invalid parameter: appId', 'ERR_WECHAT_APP')],
  secret: [400, refusal(40125, 'invalid parameter: secret', 'ERR_WECHAT_APP')],
  unauthorized: [401, refusal(1000, 'unauthorized', 'ERR_WECHAT_SESSION')],
  token: [400, refusal(1001, 'without parameter: token', 'ERR_BAD_REQUEST')],
  encryptedData: [400, refusal(1002, 'without parameter: encrypted data', 'ERR_BAD_REQUEST')],
  iv: [400, refusal(1003, 'without parameter: iv', 'ERR_BAD_REQUEST')],
  decrypt: [400, refusal(1004, 'error: decode failed', 'ERR_WECHAT_DECRYPT')],
  code: [401, refusal(40029, 'invalid parameter: code', 'ERR_WECHAT_CODE')],
  blocked: [403, refusal(40226, 'user blocked', 'ERR_WECHAT_BLOCKED')],
  scene: [
    400,
    refusal(40169, 'invalid length for scene, or the data is not json string', 'ERR_WECHAT_SCENE'),
  ],
  page: [400, refusal(41030, 'invalid parameter: page', 'ERR_WECHAT_PAGE')],
  config: [500, refusal(500, 'internal error', 'ERR_WECHAT_CONFIG')],
  response: [502, refusal(502, 'WeChat returned an unusable response', 'ERR_WECHAT_RESPONSE')],
  unavailable: [
    503,
    refusal(503, 'WeChat is unavailable; try again shortly', 'ERR_WECHAT_UNAVAILABLE'),
  ],
  store: [
    503,
    refusal(503, 'the session store is unavailable; try again shortly', 'ERR_STORE_UNAVAILABLE'),
  ],
} satisfies Record<string, [number, object]>;

/** Returns the status and the body of a response, to compare them with a row of `REFUSALS`. */
export const seen = ({ status, body }: AppResponse): [number, unknown] => [status, body];

export const ok = (data: unknown): [number, object] => [
  200,
  { code: 200, msg: 'ok', data, success: true },
];

function dataOf({ status, body }: AppResponse): string {
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body.data;
}
