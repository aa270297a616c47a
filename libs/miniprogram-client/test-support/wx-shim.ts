import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { RequestPayment, Wx, WxCallbacks, WxFailure, WxMethod } from '../src/wx.js';
import { HttpReply, HttpCall, HttpSend } from './http.js';

export interface PhoneOptions {
  /** The transport of the phone's requests: `send` of a fake server, or `httpSend` for a running server. */
  send: HttpSend;
  /** The implementation of `wx.login`, for example the sandbox's `user.login`. */
  login(): Promise<{ code: string }>;
  /** What the user does with the pay sheet, for example the sandbox's `user.requestPayment`. @default the user pays */
  requestPayment?(params: RequestPayment): Promise<{ errMsg: string }>;
  /** The user's decisions, for example the sandbox's `user.requestSubscribeMessage`. @default the decision of `user.allows` for each template */
  requestSubscribeMessage?(templateIds: string[]): Promise<{ errMsg: string }>;
}

/** A phone: the part of `wx` that the client uses, as strict as WeChat's, with controls for tests. */
export interface Phone {
  wx: Wx;
  /** The values of `wx.setStorageSync`. They survive a new session, as they survive a restart of the mini program. */
  storage: Map<string, string>;
  /** Temporary files, by path. A path that is not here is read from the disk. */
  files: Map<string, Uint8Array<ArrayBuffer>>;
  /** How often each `wx` function was called. */
  calls: Record<string, number>;
  /** Whether `wx.checkSession` succeeds. */
  sessionKeyIsValid: boolean;
  storageIsFull: boolean;
  /** The user's decisions so far, as `wx.getSetting` returns them. */
  permissions: Record<string, boolean | undefined>;
  /** The user's next decisions: a permission, a dialog, the privacy statement, the switch in the settings. */
  user: { allows: boolean; confirms: boolean; agreesToPrivacy: boolean; switchesOn: boolean };
  /** Makes the named `wx` function fail the next time it is called. */
  failNext(name: string, failure: WxFailure): void;
  /** Runs a handler as WeChat runs it after a tap. The question of `wx.requestSubscribeMessage` appears only inside of it. */
  tap<T>(handler: () => T): T;
  /** Interrupts running requests, as WeChat does after five seconds in the background. */
  interrupt(): void;
}

const METHODS: WxMethod[] = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT'];
/** WeChat runs ten requests, uploads and downloads at a time; the others wait. */
const CONCURRENCY = 10;
/** WeChat's own default, in milliseconds. */
const DEFAULT_TIMEOUT = 60_000;

export function createPhone(options: PhoneOptions): Phone {
  const failures = new Map<string, WxFailure>();
  const running = new Set<(failure: WxFailure) => void>();
  const waiting: (() => void)[] = [];
  let isTap = false;

  /** Runs one `wx` function: counts the call, checks its options, works, calls back. Like WeChat it throws only for invalid options. */
  function wxFunction<T>(
    name: string,
    given: object & WxCallbacks<T>,
    work: (task: Task) => Promise<T> | T,
  ): ReturnType<typeof controlsOf> {
    phone.calls[name] = (phone.calls[name] ?? 0) + 1;
    const undefinedField = Object.entries(given).find(([, value]) => value === undefined);
    if (undefinedField)
      throw new TypeError(
        `${name}:fail parameter error: parameter.${undefinedField[0]} is undefined`,
      );
    const failure = failures.get(name);
    failures.delete(name);
    const task: Task = Object.assign(new AbortController(), { listeners: [] });
    const outcome = failure
      ? Promise.reject<T>(asError(failure))
      : Promise.resolve(task).then(work);
    outcome.then(
      (result) => given.success?.(result),
      (error: Error) => given.fail?.(asFailure(name, error)),
    );
    return controlsOf(task);
  }

  async function carry(call: HttpCall, task: Task, timeout = DEFAULT_TIMEOUT): Promise<HttpReply> {
    const progressed = (progress: number) => task.listeners.forEach((tell) => tell({ progress }));
    if (running.size >= CONCURRENCY) await new Promise<void>((go) => waiting.push(go));
    return new Promise<HttpReply>((resolve, reject) => {
      const cutOff = (failure: WxFailure) => {
        finish(() => reject(asError(failure)));
        task.abort();
      };
      const finish = (settle: () => void) => {
        clearTimeout(deadline);
        if (running.delete(cutOff)) waiting.shift()?.();
        settle();
      };
      const deadline = setTimeout(() => cutOff({ errMsg: 'request:fail timeout' }), timeout);
      running.add(cutOff);
      if (task.signal.aborted) return cutOff({ errMsg: 'request:fail abort' });
      task.signal.addEventListener('abort', () => cutOff({ errMsg: 'request:fail abort' }));
      progressed(40);
      options.send({ ...call, signal: task.signal }).then(
        (response) => {
          progressed(100);
          finish(() => resolve(response));
        },
        (error: Error) => cutOff({ errMsg: `request:fail ${error.message}` }),
      );
    });
  }

  const phone: Phone = {
    storage: new Map(),
    files: new Map(),
    calls: {},
    sessionKeyIsValid: true,
    storageIsFull: false,
    permissions: {},
    user: { allows: true, confirms: true, agreesToPrivacy: true, switchesOn: true },
    tap(handler) {
      isTap = true;
      try {
        return handler();
      } finally {
        isTap = false;
      }
    },
    failNext: (name, failure) => void failures.set(name, failure),
    interrupt: () =>
      [...running].forEach((cutOff) => cutOff({ errMsg: 'request:fail interrupted' })),
    wx: {
      login: (given) => wxFunction('login', given, () => options.login()),
      checkSession: (given) =>
        wxFunction('checkSession', given, () => {
          if (!phone.sessionKeyIsValid) throw new Error('session time out, need relogin');
        }),

      request: (given) =>
        wxFunction('request', given, async (task) => {
          const method = given.method ?? 'GET';
          if (!METHODS.includes(method)) throw new Error('method is invalid');
          const response = await carry(
            {
              method,
              url: withQuery(given.url, method, given.data),
              ...sentBody(method, given),
            },
            task,
            given.timeout,
          );
          return {
            ...head(response),
            data:
              given.responseType === 'arraybuffer'
                ? bufferOf(response)
                : readJson(textOf(response)),
          };
        }),

      uploadFile: (given) =>
        wxFunction('uploadFile', given, async (task) => {
          const bytes =
            phone.files.get(given.filePath) ?? new Uint8Array(readFileSync(given.filePath));
          const fields = Object.fromEntries(
            Object.entries(given.formData ?? {}).map(([name, value]) => [name, String(value)]),
          );
          const body = { name: given.name, fileName: basename(given.filePath), bytes, fields };
          const response = await carry(
            { method: 'POST', url: given.url, header: { ...given.header }, body },
            task,
            given.timeout,
          );
          return { statusCode: response.statusCode, data: textOf(response) }; // older base libraries return no header
        }),

      downloadFile: (given) =>
        wxFunction('downloadFile', given, async (task) => {
          const response = await carry(
            { method: 'GET', url: given.url, header: { ...given.header } },
            task,
            given.timeout,
          );
          const tempFilePath = `http://tmp/${phone.files.size + 1}`;
          phone.files.set(tempFilePath, response.bytes); // the body of a failure becomes a file too
          return { ...head(response), tempFilePath };
        }),

      getStorageSync: (key) => readJson(phone.storage.get(key) ?? '""'),
      setStorageSync: (key, data) => {
        if (phone.storageIsFull) throw new Error('setStorageSync:fail exceed storage max size');
        phone.storage.set(key, JSON.stringify(data));
      },

      getSetting: (given) =>
        wxFunction('getSetting', given, () => ({ authSetting: { ...phone.permissions } })),
      authorize: (given) =>
        wxFunction('authorize', given, () => {
          phone.permissions[given.scope] ??= phone.user.allows; // WeChat asks the user once, and returns the same decision later
          if (!phone.permissions[given.scope]) throw new Error('auth deny');
        }),
      openSetting: (given) =>
        wxFunction('openSetting', given, () => {
          for (const scope in phone.permissions) phone.permissions[scope] = phone.user.switchesOn;
          return { authSetting: { ...phone.permissions } };
        }),
      showModal: (given) =>
        wxFunction('showModal', given, () => ({ confirm: phone.user.confirms })),
      requirePrivacyAuthorize: (given) =>
        wxFunction('requirePrivacyAuthorize', given, () => {
          if (!phone.user.agreesToPrivacy)
            throw asError({ errMsg: 'privacy permission is not authorized', errno: 104 });
        }),

      requestPayment: (given) =>
        wxFunction('requestPayment', given, async () => {
          const { timeStamp, nonceStr, package: prepay, signType, paySign } = given;
          const params = { timeStamp, nonceStr, package: prepay, signType, paySign };
          return succeeded(
            await (options.requestPayment?.(params) ?? { errMsg: 'requestPayment:ok' }),
          );
        }),
      requestSubscribeMessage: (given) => {
        const mayAsk = isTap;
        return wxFunction('requestSubscribeMessage', given, async () => {
          if (!mayAsk) throw new Error('can only be invoked by user TAP gesture.');
          const choice = phone.user.allows ? 'accept' : 'reject';
          return succeeded(
            await (options.requestSubscribeMessage?.(given.tmplIds) ?? {
              errMsg: 'requestSubscribeMessage:ok',
              ...Object.fromEntries(given.tmplIds.map((id) => [id, choice])),
            }),
          );
        });
      },
    },
  };
  return phone;
}

/** A transfer of the phone: the control of its connection, and the listeners of its progress. */
type Task = AbortController & { listeners: ((update: { progress: number }) => void)[] };

function controlsOf(task: Task) {
  return {
    abort: () => task.abort(),
    onProgressUpdate: (listener: Task['listeners'][0]) => void task.listeners.push(listener),
  };
}

/** The sandbox returns the failure of a person's action as a result, `wx` passes it to `fail`. */
function succeeded<T extends { errMsg: string }>(result: T): T {
  if (!result.errMsg.endsWith(':ok')) throw asError(result);
  return result;
}

/** A GET has data in its query, every other method as JSON. WeChat announces JSON even for an empty body. */
function withQuery(url: string, method: string, data: unknown): string {
  if (
    method !== 'GET' ||
    typeof data !== 'object' ||
    data === null ||
    Object.keys(data).length === 0
  )
    return url;
  return `${url}?${new URLSearchParams(Object.entries(data).map(([name, value]): [string, string] => [name, String(value)])).toString()}`;
}

function sentBody(
  method: string,
  given: { header?: Record<string, string>; data?: unknown },
): Pick<HttpCall, 'header' | 'body'> {
  const header = { 'content-type': 'application/json', ...given.header };
  return method === 'GET'
    ? { header }
    : { header, body: given.data === undefined ? '' : JSON.stringify(given.data) };
}

function head(response: HttpReply): { statusCode: number; header: Record<string, string> } {
  return { statusCode: response.statusCode, header: response.header };
}

function textOf(response: HttpReply): string {
  return Buffer.from(response.bytes).toString('utf8');
}

function bufferOf(response: HttpReply): ArrayBuffer {
  return new Uint8Array(response.bytes).buffer;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function asError(failure: WxFailure): Error & WxFailure {
  return Object.assign(new Error(failure.errMsg), failure);
}

function asFailure(
  name: string,
  { message, errMsg, errno, errCode }: Error & Partial<WxFailure>,
): WxFailure {
  return {
    errMsg: errMsg ?? `${name}:fail ${message}`,
    ...(errno === undefined ? {} : { errno }),
    ...(errCode === undefined ? {} : { errCode }),
  };
}
