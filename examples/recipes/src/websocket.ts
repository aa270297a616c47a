import { WebSocketGateway } from '@nestjs/websockets';
import { sessionRdFrom, SessionService, WechatSessionError } from 'nestjs-wechat';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';

@WebSocketGateway({ path: '/ticks' })
export class TicksGateway {
  constructor(private readonly sessions: SessionService) {}

  async handleConnection(client: WebSocket, request: IncomingMessage): Promise<void> {
    try {
      const session = await this.sessions.find(sessionRdFrom(request) ?? '');
      if (client.readyState !== client.OPEN) return; // it was closed meanwhile
      const watch = this.sessions.untilRevoked(session).subscribe(() => client.close(4401));
      client.once('close', () => watch.unsubscribe());
    } catch (error) {
      client.close(error instanceof WechatSessionError ? 4401 : 1013); // 1013: try again later
    }
  }
}
