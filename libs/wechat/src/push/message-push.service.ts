import { Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner } from '@nestjs/core';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { hideSecrets } from '../hide-secrets.js';
import { HandlerRegistry } from '../inbox/handler-registry.js';
import type { MessageHandler } from '../inbox/handler-registry.js';
import { MAX_BODY_BYTES, mountEndpoint, warnOfHiddenRoute } from '../inbox/http-endpoint.js';
import type { HttpEndpoint } from '../inbox/http-endpoint.js';
import { Inbox, InboxBusyError } from '../inbox/inbox.js';
import { MinuteLog } from '../minute-log.js';
import { SingleFlight } from '../single-flight.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatAppError, WechatConfigError, WechatError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { KeptReplies } from './kept-replies.js';
import { handlerKey, PUSH_HANDLER } from './on-wechat-message.decorator.js';
import { PushKeys } from './push.keys.js';
import type { PushQuery, VerifiedPush } from './push.keys.js';
import { identityOf, isObject, readContent, toMessage } from './push.message.js';
import type { PushContent, WechatMessage } from './push.message.js';
import { writeXml } from './push.xml.js';

/**
 * A push that your own controller received.
 *
 * @experimental
 * @example
 * ```ts
 * const request: PushRequest = { method: 'POST', query: request.query, body: request.rawBody };
 * ```
 */
export interface PushRequest {
  /** `GET` when the console verifies the URL, else `POST`. @default 'POST' */
  method?: string;
  query: PushQuery;
  headers?: object;
  /** The exact bytes. A GET needs none. */
  body?: Buffer;
  /** @default the first mini program */
  appId?: string;
}

/**
 * The response to WeChat, which `MessagePushService.handle` returns.
 *
 * @experimental
 * @example
 * ```ts
 * const { status, headers, body } = await pushes.handle(request);
 * response.status(status).set(headers).send(body);
 * ```
 */
export interface PushResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** From the start of a run. WeChat's third and last delivery ends about 15 s after the first one has started. */
const RESPOND_WITHIN_MS = 14_000;
const SHUTDOWN_MS = 10_000;
/** What the inbox remembers of a handled push: whether there was a reply. */
const WITHOUT_REPLY = Buffer.alloc(0);
const WITH_REPLY = Buffer.of(1);
/** Of a message that a warning names: in plain mode the text is not signed. */
const KIND = /^[\w', ]{1,100}$/;
/** How the container platform of WeChat (云托管) checks the path. */
const PROBE = 'CheckContainerPath';

/**
 * Receives the messages and events that WeChat pushes (消息推送) at `push.path`, and calls the method with `@OnWechatMessage`.
 *
 * @experimental
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
 * @example
 * ```ts
 * const { status, headers, body } = await pushes.handle({ method, query: request.query, body: request.rawBody });
 * ```
 */
@Injectable()
export class MessagePushService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('WechatPush');
  /** For lines that any sender can cause. */
  private readonly minuteLog = new MinuteLog('WechatPush');
  private readonly inbox: Inbox;
  /** Deliveries of one push share one response, with one deadline. */
  private readonly responses = new SingleFlight<string | undefined>();
  private readonly apps = new Map<string, PushKeys>();
  private readonly endpoint?: HttpEndpoint;
  private readonly unhandled = new Set<string>();
  private readonly closing = new AbortController();
  private handlers?: HandlerRegistry<WechatMessage>;
  private isClosing = false;
  private hasReportedParser = false;

  /** @internal */
  constructor(
    private readonly options: ResolvedWechatOptions,
    store: WechatStore,
    private readonly kept: KeptReplies,
    private readonly host: HttpAdapterHost,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {
    this.inbox = new Inbox(store, KEY_PREFIX.push, { longestWait: RESPOND_WITHIN_MS });
    setMaxListeners(0, this.closing.signal); // any number of pushes may be handled at once
    for (const { appId, push } of options.apps)
      if (push) this.apps.set(appId, new PushKeys(appId, push));
    hideSecrets(this, 'host', 'discovery', 'kept'); // they reference the whole application
    const { path } = options.push;
    if (path === undefined || this.apps.size === 0) return;
    this.endpoint = this.endpointAt(path);
    mountEndpoint(host, this.endpoint);
  }

  /** @throws WechatConfigError if two methods handle one message */
  onApplicationBootstrap(): void {
    this.handlers = new HandlerRegistry(
      this.discovery,
      this.scanner,
      PUSH_HANDLER,
      '@OnWechatMessage',
    );
    if (this.endpoint) warnOfHiddenRoute(this.host, this.endpoint);
    const plain = [...this.apps.values()].filter(({ isEncrypted }) => !isEncrypted);
    if (plain.length > 0 && process.env['NODE_ENV'] === 'production')
      this.logger.warn(
        `The pushes of ${plain.map(({ appId }) => appId).join(', ')} are not encrypted, and WeChat does not sign their content. Choose 安全模式 in the console, and set WECHAT_PUSH_AES_KEY (apps[].push.aesKeys).`,
      );
  }

  /** Waits for running handlers for 10 s. New pushes are 503 meanwhile. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await Promise.race([this.inbox.settled(), sleep(SHUTDOWN_MS, undefined, { ref: false })]);
    this.closing.abort();
  }

  /**
   * Handles a push: verifies, decrypts, runs the handler once, and returns the response for WeChat. A GET verifies the URL. Use it with
   * `push.path: false` in a controller of your own.
   *
   * @returns 200 with the reply or `success`; 4xx and 5xx with an empty body; 404 if the app has no push token
   * @throws WechatConfigError if the body of a POST is not a Buffer: a body that was parsed and serialised again does not verify
   */
  async handle(request: PushRequest): Promise<PushResponse> {
    const { method = 'POST', query, body } = request;
    if (method !== 'POST' && method !== 'GET')
      return { ...refuse(405), headers: { ...NO_STORE, Allow: 'GET, POST' } };
    if (method === 'POST') requireBytes(body);
    const app = this.keysOf(request.appId);
    if (!app) return refuse(404);
    try {
      if (method === 'GET') return text(app.verifyUrl(query, ...this.ages()));
      if (body!.length > MAX_BODY_BYTES) return refuse(413);
      if (this.isClosing || !this.handlers) return refuse(503);
      return await this.respond(app, app.open(query, body!, ...this.ages()), this.handlers);
    } catch (error) {
      return refuse(this.statusOf(error));
    }
  }

  /**
   * Verifies and decrypts a push, without running a handler.
   *
   * @throws WechatCallbackError (403) if it is not WeChat's, is too old or belongs to another app; WechatBadRequestError if it is not a
   *   message; WechatAppError if the app has no push token; WechatConfigError if `body` is not a Buffer, or if it is XML and
   *   `@rgrove/parse-xml` is not installed
   */
  async open({ query, body, appId }: PushRequest): Promise<WechatMessage> {
    requireBytes(body);
    const app = this.keysOf(appId);
    if (!app) throw new WechatAppError('appId');
    const { bytes, encrypted } = app.open(query, body!, ...this.ages());
    return toMessage(app.appId, encrypted, readContent(bytes.toString()).data);
  }

  private endpointAt(path: string): HttpEndpoint {
    const further = `${path}/`;
    return {
      path,
      methods: ['GET', 'POST'],
      matches: (requested) =>
        requested === path ||
        (requested.startsWith(further) && !requested.includes('/', further.length)),
      handle: ({ path: requested, ...request }) =>
        this.handle({
          ...request,
          ...(requested !== path && { appId: requested.slice(further.length) }),
        }),
      refuse,
    };
  }

  /** @param appId default: the first mini program */
  private keysOf(
    appId = this.options.apps.find(({ kind }) => kind === 'mini-program')?.appId ?? '',
  ): PushKeys | undefined {
    return this.apps.get(appId);
  }

  /** The real time: it is not the clock of sessions that a test moves. */
  private ages(): [now: number, maxAgeMs: number] {
    return [Date.now(), this.options.push.maxAgeMs];
  }

  private async respond(
    app: PushKeys,
    push: VerifiedPush,
    handlers: HandlerRegistry<WechatMessage>,
  ): Promise<PushResponse> {
    const content = readContent(push.bytes.toString());
    const { format, data } = content;
    if (data['MsgType'] === undefined && data['action'] === PROBE) return SUCCESS;
    const message = toMessage(app.appId, push.encrypted, data);
    const handler = handlers.find(
      handlerKey(message.type, message.event),
      handlerKey(message.type),
    );
    if (!handler) {
      this.warnOfUnhandled(message);
      return SUCCESS;
    }
    const identity = identityOf(message, push.bytes);
    const reply = await this.responses.run(identity, () =>
      this.inTime(this.run(identity, handler, message, content)),
    );
    if (reply === undefined) return SUCCESS;
    const body = push.encrypted ? app.seal(format, reply, push.nonce, Date.now()) : reply;
    return { status: 200, headers: { ...NO_STORE, 'Content-Type': TYPES[format] }, body };
  }

  /** The reply of the run, now or within the last minute. */
  private async run(
    identity: string,
    handler: MessageHandler<WechatMessage>,
    message: WechatMessage,
    content: PushContent,
  ): Promise<string | undefined> {
    let own: { reply?: string } | undefined;
    const mark = await this.inbox.process(identity, async () => {
      own = { reply: await this.runHandler(handler, message, content) };
      if (own.reply === undefined) return WITHOUT_REPLY;
      await this.kept.keep(message.appId, identity, own.reply);
      return WITH_REPLY;
    });
    if (own) return own.reply;
    return mark.equals(WITH_REPLY) ? this.kept.find(identity) : undefined;
  }

  /** It may fail after the response, so its failure is logged here. */
  private async runHandler(
    handler: MessageHandler<WechatMessage>,
    message: WechatMessage,
    { format }: PushContent,
  ): Promise<string | undefined> {
    let result: unknown;
    try {
      result = await handler.handle(message);
    } catch (error) {
      this.logger.error(
        `${handler.name} failed, and WeChat may not repeat the push: ${String(error)}`,
        error instanceof Error ? error.stack : undefined,
      );
      throw new HandlerError();
    }
    try {
      return replyOf(result, format);
    } catch {
      this.logger.error(
        `${handler.name} returned a value that is not a reply, so WeChat gets success. Return nothing, or a plain object of JSON values whose names are names of XML elements.`,
      );
      return undefined;
    }
  }

  /** Nothing is sent while the handler runs: only a missing response makes WeChat deliver the push again. */
  private inTime<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.closing;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new LateError(503));
      const late = setTimeout(() => reject(new LateError(500)), RESPOND_WITHIN_MS).unref();
      signal.addEventListener('abort', stop, { once: true });
      const done = (): void => {
        clearTimeout(late);
        signal.removeEventListener('abort', stop);
      };
      work.finally(done).then(resolve, reject);
    });
  }

  /** A refused request can come from anyone, so the log has nothing of it. */
  private statusOf(error: unknown): number {
    if (error instanceof HandlerError || error instanceof InboxBusyError) return 500;
    if (error instanceof LateError) return error.status;
    if (!(error instanceof WechatError)) {
      this.logger.error(
        `A push failed: ${String(error)}`,
        error instanceof Error ? error.stack : undefined,
      );
      return 500;
    }
    const status = error.getStatus();
    if (error instanceof WechatConfigError) this.reportParser(error);
    else this.minuteLog.warn(`A push was refused with ${status}: ${error.message}`);
    return status;
  }

  /** The parser of XML is not installed. One line, although every XML push is refused. */
  private reportParser(error: WechatConfigError): void {
    if (!this.hasReportedParser) this.logger.error(error.message);
    this.hasReportedParser = true;
  }

  private warnOfUnhandled({ type, event }: WechatMessage): void {
    const kind = event === undefined ? `'${type}'` : `'${type}', '${event}'`;
    if (!KIND.test(kind) || this.unhandled.has(kind) || this.unhandled.size >= 100) return;
    this.unhandled.add(kind);
    this.logger.warn(
      `A push has no handler and is acknowledged. Add @OnWechatMessage(${kind}) or @OnWechatMessage('*').`,
    );
  }
}

class HandlerError extends Error {}

/** The handler still runs. */
class LateError extends Error {
  constructor(readonly status: 500 | 503) {
    super();
  }
}

const NO_STORE = { 'Cache-Control': 'no-store' };
const TYPES = { json: 'application/json', xml: 'text/xml' };
const SUCCESS = text('success');

/** The console's echostr is repeated here, so no browser may take it for a page. */
function text(body: string): PushResponse {
  const headers = { 'Content-Type': 'text/plain', 'X-Content-Type-Options': 'nosniff' };
  return { status: 200, headers: { ...NO_STORE, ...headers }, body };
}

function refuse(status: number): PushResponse {
  return { status, headers: NO_STORE, body: '' };
}

function requireBytes(body: unknown): void {
  if (Buffer.isBuffer(body)) return;
  throw new WechatConfigError([
    'handle() and open() need the exact bytes of the body as a Buffer. Start the application with { rawBody: true } and pass request.rawBody',
  ]);
}

/** @throws TypeError if it is not a plain object of JSON values */
function replyOf(result: unknown, format: PushContent['format']): string | undefined {
  if (result === undefined || result === null) return undefined;
  if (!isPlainObject(result)) throw new TypeError('not a plain object');
  const json = JSON.stringify(result);
  return format === 'json' ? json : writeXml(JSON.parse(json) as object);
}

function isPlainObject(value: unknown): value is object {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
