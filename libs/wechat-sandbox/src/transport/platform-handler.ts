import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Fault, FaultPlan } from '../faults.js';
import { isPayPath } from '../pay/pay-routes.js';
import type { PayRoutes } from '../pay/pay-routes.js';
import { unixSeconds } from '../world/clock.js';
import type { SandboxClock } from '../world/clock.js';
import { errmsgOf, WechatFailure } from '../world/wechat-failure.js';
import type { RequestLog } from './request-log.js';
import { BodyTooLargeError, parseObject, readAll, readHead } from './request.js';
import type { PlatformRequest } from './request.js';
import {
  PlatformResponse,
  htmlResponse,
  jsonResponse,
  jsonType,
  redirectResponse,
} from './response.js';
import type { PlatformRoute } from './response.js';
import type { RidLog } from './rid-log.js';
import { INERT, withoutInert } from './security-headers.js';
import { sendResponse } from './send-response.js';

/** The parts that {@link handlePlatformRequest} needs. */
export interface HandlerParts {
  routes: ReadonlyMap<string, PlatformRoute>;
  pay: PayRoutes;
  faults: FaultPlan;
  requestLog: RequestLog;
  rids: RidLog;
  clock: SandboxClock;
  /** Aborted when the sandbox closes. */
  closing: AbortSignal;
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };

/** Handles one call to the platform, from the first byte of the request to the last byte of the response. */
export async function handlePlatformRequest(
  raw: IncomingMessage,
  response: ServerResponse,
  parts: HandlerParts,
): Promise<void> {
  try {
    await handle(raw, response, parts);
  } catch (error) {
    if (response.headersSent) return;
    const tooLarge = error instanceof BodyTooLargeError;
    response
      .writeHead(tooLarge ? 413 : 500, {
        ...INERT,
        ...TEXT,
        ...(tooLarge && { connection: 'close' }),
      })
      .end(
        tooLarge
          ? error.message
          : `The sandbox itself failed; this is not a response of WeChat: ${String(error)}`,
      );
  }
}

async function handle(
  raw: IncomingMessage,
  response: ServerResponse,
  parts: HandlerParts,
): Promise<void> {
  const { faults, requestLog, pay, closing } = parts;
  const { path } = readHead(raw);
  const fault = faults.take(pay.patternOf(path) ?? path);
  const broken = fault.reset === 'before-reading';
  const request = broken ? readHead(raw) : await readAll(raw);
  requestLog.add(request);
  if (broken || fault.reset === true) raw.socket.resetAndDestroy();
  else if (fault.hang !== true)
    await sendResponse(response, await responseTo(request, fault, parts), fault, closing);
}

async function responseTo(
  request: PlatformRequest,
  fault: Fault,
  parts: HandlerParts,
): Promise<PlatformResponse> {
  const response = faultResponse(request, fault, parts) ?? (await normalResponse(request, parts));
  const json = fault.transform && parseObject(response.body.toString('utf8'));
  if (fault.tamper !== undefined) return parts.pay.tamper(response, fault.tamper);
  if (!json) return response;
  const changed = fault.transform?.(json);
  return isPayPath(request.path)
    ? parts.pay.rewrite(response, changed)
    : jsonResponse(request.path, changed);
}

function faultResponse(
  request: PlatformRequest,
  fault: Fault,
  parts: HandlerParts,
): PlatformResponse | undefined {
  const { errcode, errmsg, payCode, status, headers, body, contentType, redirect } = fault;
  if (payCode !== undefined) return parts.pay.refuse(payCode, fault.paySuffix);
  if (redirect !== undefined) return redirectResponse(redirect);
  if (errcode !== undefined) return errorResponse(request, errcode, errmsg, parts);
  if (status === undefined && body === undefined && headers === undefined) return undefined;
  const type = contentType ?? (body === undefined ? 'text/html' : jsonType(request.path));
  return new PlatformResponse(
    bytes(body ?? `<html><h1>${status ?? 200}</h1></html>`),
    { 'content-type': type, ...withoutInert(headers ?? {}) },
    status,
  );
}

function bytes(body: string | Buffer | object): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

async function normalResponse(
  request: PlatformRequest,
  parts: HandlerParts,
): Promise<PlatformResponse> {
  const { method, path } = request;
  if (isPayPath(path)) return parts.pay.respond(request);
  const route = parts.routes.get(path);
  if (!route || (method !== 'GET' && method !== 'POST'))
    return htmlResponse('<html><h1>404 Not Found</h1></html>', 404);
  try {
    if (route.verb !== 'ANY' && route.verb !== method)
      throw new WechatFailure(route.verb === 'GET' ? 43001 : 43002);
    const result = await route.handle(request);
    return result instanceof PlatformResponse ? result : jsonResponse(path, result);
  } catch (error) {
    if (error instanceof WechatFailure)
      return errorResponse(request, error.errcode, undefined, parts, error.text);
    throw error;
  }
}

/** Builds `{errcode, errmsg}` with the request id that WeChat adds to the text. */
function errorResponse(
  request: PlatformRequest,
  errcode: number,
  errmsg: string | undefined,
  parts: HandlerParts,
  text = errmsgOf(errcode),
): PlatformResponse {
  const { rids, clock } = parts;
  const separator = request.path.startsWith('/sns/') ? ', rid: ' : ' rid: ';
  const rid = rids.add(request, unixSeconds(clock.now()));
  const response = jsonResponse(request.path, {
    errcode,
    errmsg: errmsg ?? text + separator + rid,
  });
  rids.setResponse(rid, response.body.toString('utf8'));
  return response;
}
