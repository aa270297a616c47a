import { Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner } from '@nestjs/core';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { hideSecrets } from '../hide-secrets.js';
import { HandlerRegistry } from '../inbox/handler-registry.js';
import { mountEndpoint, warnOfHiddenRoute } from '../inbox/http-endpoint.js';
import type { HttpEndpoint } from '../inbox/http-endpoint.js';
import { InboxBusyError } from '../inbox/inbox.js';
import { logFailure } from '../inbox/log-failure.js';
import { MAX_BODY_BYTES, requireBytes } from '../inbox/request-body.js';
import { MinuteLog } from '../minute-log.js';
import { WechatStore } from '../store/wechat.store.js';
import type { WechatPush } from '../wechat-app.js';
import { WechatAppError, WechatConfigError, WechatError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { KeptReplies } from './kept-replies.js';
import { handlerKey, PUSH_HANDLER } from './on-wechat-message.decorator.js';
import { PushKeys } from './push.keys.js';
import type { PushQuery, VerifiedPush } from './push.keys.js';
import { identityOf, readContent, toMessage } from './push.message.js';
import type { WechatMessage } from './push.message.js';
import { NO_STORE, refuse, reply, text } from './push.response.js';
import type { PushResponse } from './push.response.js';
import { HandlerError, LateError, PushRunner } from './push.runner.js';

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

/** Of a message that a warning names: in plain mode the text is not signed. */
const KIND = /^[\w', ]{1,100}$/;
/** How the container platform of WeChat (云托管) checks the path. */
const PROBE = 'CheckContainerPath';
const SUCCESS = text('success');

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
  private readonly runner: PushRunner;
  private readonly keys = new WeakMap<WechatPush, PushKeys>();
  private readonly endpoint?: HttpEndpoint;
  private readonly unhandled = new Set<string>();
  private handlers?: HandlerRegistry<WechatMessage>;
  private isClosing = false;
  private hasReportedParser = false;

  /** @internal */
  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly apps: WechatApps,
    store: WechatStore,
    kept: KeptReplies,
    private readonly host: HttpAdapterHost,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {
    this.runner = new PushRunner(store, kept, this.logger);
    hideSecrets(this, 'host', 'discovery', 'runner'); // they reference the whole application
    const { path } = options.push;
    const hasPush = apps.canChange || options.apps.some(({ push }) => push);
    if (path === undefined || !hasPush) return;
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
    const plain = this.options.apps.filter(({ push }) => push && !push.aesKeys?.length);
    if (plain.length > 0 && process.env['NODE_ENV'] === 'production')
      this.logger.warn(
        `The pushes of ${plain.map(({ appId }) => appId).join(', ')} are not encrypted, and WeChat does not sign their content. Choose 安全模式 in the console, and set WECHAT_PUSH_AES_KEY (apps[].push.aesKeys).`,
      );
  }

  /** Waits for running handlers for 10 s. New pushes are 503 meanwhile. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await this.runner.close();
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
    try {
      const app = await this.keysOf(request.appId);
      if (!app) return refuse(404);
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
   * @param request as your controller received it
   * @throws WechatCallbackError (403) if it is not WeChat's, is too old or belongs to another app; WechatBadRequestError if it is not a
   *   message; WechatAppError if the app has no push token; WechatConfigError if `body` is not a Buffer, or if it is XML and
   *   `@rgrove/parse-xml` is not installed
   */
  async open({ query, body, appId }: PushRequest): Promise<WechatMessage> {
    requireBytes(body);
    const app = await this.keysOf(appId);
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

  /** @param appId default: the default mini program */
  private async keysOf(appId?: string): Promise<PushKeys | undefined> {
    const app = await (appId === undefined
      ? this.apps.default('mini-program')
      : this.apps.find(appId));
    if (!app?.push) return undefined;
    const known = this.keys.get(app.push) ?? new PushKeys(app.appId, app.push);
    this.keys.set(app.push, known);
    return known;
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
    const { format, data } = readContent(push.bytes.toString());
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
    const replied = await this.runner.run({ identity, handler, message, format });
    if (replied === undefined) return SUCCESS;
    const { encrypted, nonce } = push;
    return reply(format, encrypted ? app.seal(format, replied, nonce, Date.now()) : replied);
  }

  /** A refused request can come from anyone, so the log has nothing of it. */
  private statusOf(error: unknown): number {
    if (error instanceof HandlerError || error instanceof InboxBusyError) return 500;
    if (error instanceof LateError) return error.status;
    if (!(error instanceof WechatError)) {
      logFailure(this.logger, 'A push failed', error);
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
