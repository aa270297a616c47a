import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Fault, FaultPlan } from '../faults.js';
import { unixSeconds, type SandboxClock } from '../world/clock.js';
import { errmsgOf, WechatFailure } from '../world/wechat-failure.js';
import {
  Answer,
  htmlAnswer,
  jsonAnswer,
  jsonType,
  redirectAnswer,
  type PlatformRoute,
} from './answer.js';
import { deliver } from './delivery.js';
import type { Journal } from './journal.js';
import { parseObject, readAll, readHead, type PlatformRequest } from './request.js';
import type { RidLog } from './rid-log.js';

/** What an exchange needs. */
export interface ExchangeParts {
  routes: ReadonlyMap<string, PlatformRoute>;
  faults: FaultPlan;
  journal: Journal;
  rids: RidLog;
  clock: SandboxClock;
  /** Aborted when the sandbox closes. */
  closing: AbortSignal;
}

/** One call to the platform, from its first byte to the last of its answer. */
export async function exchange(
  raw: IncomingMessage,
  response: ServerResponse,
  parts: ExchangeParts,
): Promise<void> {
  try {
    await converse(raw, response, parts);
  } catch (error) {
    if (!response.headersSent)
      response
        .writeHead(500)
        .end(`The sandbox itself failed, this is no answer of WeChat: ${String(error)}`);
  }
}

async function converse(
  raw: IncomingMessage,
  response: ServerResponse,
  parts: ExchangeParts,
): Promise<void> {
  const { faults, journal, closing } = parts;
  const fault = faults.take(readHead(raw).path);
  const broken = fault.reset === 'before-reading';
  const request = broken ? readHead(raw) : await readAll(raw);
  journal.note(request);
  if (broken || fault.reset === true) raw.socket.resetAndDestroy();
  else if (fault.hang !== true)
    await deliver(response, answerTo(request, fault, parts), fault, closing);
}

function answerTo(request: PlatformRequest, fault: Fault, parts: ExchangeParts): Answer {
  const answer = faultyAnswer(request, fault, parts) ?? honestAnswer(request, parts);
  const json = fault.transform && parseObject(answer.body.toString('utf8'));
  return json ? jsonAnswer(request.path, fault.transform?.(json)) : answer;
}

function faultyAnswer(
  request: PlatformRequest,
  fault: Fault,
  parts: ExchangeParts,
): Answer | undefined {
  const { errcode, errmsg, status, headers, body, contentType, redirect } = fault;
  if (redirect !== undefined) return redirectAnswer(redirect);
  if (errcode !== undefined) return refusal(request, errcode, errmsg, parts);
  if (status === undefined && body === undefined && headers === undefined) return undefined;
  const type = contentType ?? (body === undefined ? 'text/html' : jsonType(request.path));
  return new Answer(
    bytes(body ?? `<html><h1>${status ?? 200}</h1></html>`),
    { 'content-type': type, ...headers },
    status,
  );
}

function bytes(body: string | Buffer | object): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function honestAnswer(request: PlatformRequest, parts: ExchangeParts): Answer {
  const { method, path } = request;
  const route = parts.routes.get(path);
  if (!route || (method !== 'GET' && method !== 'POST'))
    return htmlAnswer('<html><h1>404 Not Found</h1></html>', 404);
  try {
    if (route.verb !== 'ANY' && route.verb !== method)
      throw new WechatFailure(route.verb === 'GET' ? 43001 : 43002);
    const result = route.handle(request);
    return result instanceof Answer ? result : jsonAnswer(path, result);
  } catch (error) {
    if (error instanceof WechatFailure)
      return refusal(request, error.errcode, undefined, parts, error.text);
    throw error;
  }
}

/** `{errcode, errmsg}` with the request id that WeChat adds to the text. */
function refusal(
  request: PlatformRequest,
  errcode: number,
  errmsg: string | undefined,
  parts: ExchangeParts,
  text = errmsgOf(errcode),
): Answer {
  const { rids, clock } = parts;
  const separator = request.path.startsWith('/sns/') ? ', rid: ' : ' rid: ';
  const rid = rids.add(request, unixSeconds(clock.now()));
  const answer = jsonAnswer(request.path, { errcode, errmsg: errmsg ?? text + separator + rid });
  rids.answered(rid, answer.body.toString('utf8'));
  return answer;
}
