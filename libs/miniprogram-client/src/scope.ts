import { assign } from './assign.js';
import { RequestError } from './request-error.js';
import { Wx, WxSettings, wxOrGlobal } from './wx.js';
import { WxPromise, callWx } from './wx-call.js';

/** The options of `ensureScope`. */
export interface ScopeOptions {
  /** The text of the dialog that leads to the settings after an earlier refusal. Say what the permission is for. */
  reason?: string;
  /** `Taro`, or a test's own. @default the global `wx`, else the global `uni` */
  wx?: Wx;
}

/** The mini program's privacy statement does not declare this API, or WeChat has banned it. Only the developer can fix that. */
const NOT_DECLARED = 112;
const BANNED = 1025;
/** A question to the user stays open longer than a call that needs no user. */
const SETTINGS_TIMEOUT_MS = 10000;
const QUESTION_TIMEOUT_MS = 5 * 60 * 1000;

const REASON = '请在设置中允许 · Please allow it in the settings';

/**
 * Asks for a permission in the order that WeChat requires: consent to the privacy statement, the earlier decision, the question.
 * WeChat asks only once, so after an earlier refusal a dialog leads to the settings. Call it from a tap.
 *
 * @returns true: use it now; false: the user refused, ask again at the next tap
 * @throws RequestError `ERR_WX` with `code` 112 if the API is not declared in 用户隐私保护指引, with `code` 1025 if it is banned
 * @example
 * if (await ensureScope('scope.record', { reason: '录音需要麦克风' })) recorder.start({ format: 'mp3' });
 */
export function ensureScope(scope: string, options: ScopeOptions = {}): Promise<boolean> {
  const wx = wxOrGlobal(options.wx);
  return privacyAgreed(wx).then((agreed) => agreed && allowed(wx, scope, options.reason || REASON));
}

/** Base libraries before 2.32.3 ask for no consent. Later ones succeed at once if the user has given it. */
function privacyAgreed(wx: Wx): Promise<boolean> {
  const agree = wx.requirePrivacyAuthorize;
  return agree ? agreesTo(agree) : Promise.resolve(true);
}

function allowed(wx: Wx, scope: string, reason: string): Promise<boolean> {
  return callWx<WxSettings>(wx.getSetting, SETTINGS_TIMEOUT_MS).then((settings) => {
    const decided = decisionOn(scope, settings);
    if (decided === undefined)
      return agreesTo((callbacks) => wx.authorize(assign({ scope }, callbacks)));
    return decided || allowedInSettings(wx, scope, reason);
  });
}

/** WeChat opens the settings only after a tap. The button of the dialog is one. */
function allowedInSettings(wx: Wx, scope: string, reason: string): Promise<boolean> {
  return callWx<{ confirm: boolean } | undefined>(
    (callbacks) => wx.showModal(assign({ content: reason }, callbacks)),
    QUESTION_TIMEOUT_MS,
  ).then((dialog) => {
    if (!dialog || !dialog.confirm) return false;
    return callWx<WxSettings>(wx.openSetting, QUESTION_TIMEOUT_MS).then(
      (settings) => decisionOn(scope, settings) === true,
    );
  });
}

function decisionOn(scope: string, settings: WxSettings | undefined): boolean | undefined {
  return (((settings && settings.authSetting) as Record<string, boolean | undefined> | undefined) ||
    {})[scope];
}

function agreesTo(ask: (callbacks: WxPromise<unknown>) => void): Promise<boolean> {
  return callWx(ask, QUESTION_TIMEOUT_MS).then(
    () => true,
    (refusal: RequestError) => {
      if (refusal.code === NOT_DECLARED || refusal.code === BANNED) throw refusal;
      return false;
    },
  );
}
