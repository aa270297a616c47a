import { assign } from './assign.js';
import { RequestError, WxPromise, promised } from './request-error.js';
import { Wx, theWx } from './wx.js';

/** How a permission is asked for. */
export interface ScopeOptions {
  /** What the dialog says before it leads to the settings, when the user refused earlier. Say what the permission is for. */
  reason?: string;
  /** @default WeChat's global `wx` */
  wx?: Wx;
}

/** The privacy statement of the mini program does not name this API, or WeChat has banned it: only the developer can cure that. */
const NOT_DECLARED = 112;
const BANNED = 1025;

const REASON = '请在设置中允许 · Please allow it in the settings';

/**
 * Walks to a permission the way WeChat wants it: consent to the privacy statement, what the user decided before, the question, and
 * after an earlier refusal (WeChat asks only once) a dialog that leads to the settings. Call it from a tap.
 *
 * @returns true: use it now; false: the user said no, ask again at the next tap
 * @throws RequestError `ERR_WX` with `code` 112 when the API is not declared in 用户隐私保护指引, 1025 when it is banned
 * @example
 * if (await ensureScope('scope.record', { reason: '录音需要麦克风' })) recorder.start({ format: 'mp3' });
 */
export function ensureScope(scope: string, options: ScopeOptions = {}): Promise<boolean> {
  const wx = theWx(options.wx);
  return privacyAgreed(wx).then((agreed) => agreed && allowed(wx, scope, options.reason || REASON));
}

/** Base libraries before 2.32.3 ask for no consent; later ones say yes at once to a user who has given it. */
function privacyAgreed(wx: Wx): Promise<boolean> {
  const agree = wx.requirePrivacyAuthorize;
  return agree ? saidYes(agree) : Promise.resolve(true);
}

function allowed(wx: Wx, scope: string, reason: string): Promise<boolean> {
  return promised(wx.getSetting).then((settings) => {
    const decided = settings.authSetting[scope];
    if (decided === undefined)
      return saidYes((callbacks) => wx.authorize(assign({ scope }, callbacks)));
    return decided || allowedInSettings(wx, scope, reason);
  });
}

/** WeChat opens the settings only out of a tap; the dialog's button is one. */
function allowedInSettings(wx: Wx, scope: string, reason: string): Promise<boolean> {
  return promised<{ confirm: boolean }>((callbacks) =>
    wx.showModal(assign({ content: reason }, callbacks)),
  ).then(
    (dialog) =>
      dialog.confirm &&
      promised(wx.openSetting).then((settings) => settings.authSetting[scope] === true),
  );
}

function saidYes(ask: (callbacks: WxPromise<unknown>) => void): Promise<boolean> {
  return promised(ask).then(
    () => true,
    (refusal: RequestError) => {
      if (refusal.code === NOT_DECLARED || refusal.code === BANNED) throw refusal;
      return false;
    },
  );
}
