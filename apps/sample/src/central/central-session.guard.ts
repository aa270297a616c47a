import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { SessionGuard } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { CentralError } from './central.errors.js';
import { requireParameters, tokenOf } from './parameters.js';

type Parameters = Record<string, unknown>;
type CentralRequest = FastifyRequest<{
  Params: { appId: string };
  Querystring: Parameters;
  Body?: Parameters;
}>;

/** SessionGuard for central routes: the token is a parameter, and valid only for the app in the path. */
@Injectable()
export class CentralSessionGuard extends SessionGuard {
  protected override authenticate(request: CentralRequest): Promise<WechatSession> {
    return this.sessionOf(request, parametersOf(request)['token']);
  }

  protected async sessionOf(
    { headers, params }: CentralRequest,
    token: unknown,
  ): Promise<WechatSession> {
    const session = await this.sessions.find(tokenOf(token, headers.authorization));
    if (session.appId !== params.appId) throw new CentralError('unauthorized');
    return session;
  }
}

/** The same for `decode`, which calls the token `sessionkey`. A missing parameter is refused before the token is checked. */
@Injectable()
export class OpenDataGuard extends CentralSessionGuard {
  protected override async authenticate(request: CentralRequest): Promise<WechatSession> {
    const { sessionkey, encryptedData, iv } = parametersOf(request);
    const token = tokenOf(sessionkey, request.headers.authorization);
    requireParameters({ encryptedData, iv }, 'encryptedData', 'iv');
    return this.sessionOf(request, token);
  }
}

function parametersOf({ method, query, body }: CentralRequest): Parameters {
  return method === 'POST' ? (body ?? {}) : query;
}
