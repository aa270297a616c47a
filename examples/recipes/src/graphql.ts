// #region graphql
import { ApolloDriver } from '@nestjs/apollo';
import type { ApolloDriverConfig } from '@nestjs/apollo';
import { Injectable, UseGuards } from '@nestjs/common';
import {
  Field,
  GraphQLModule,
  ID,
  ObjectType,
  Query,
  Resolver,
  Subscription,
} from '@nestjs/graphql';
import {
  CurrentSession,
  CurrentUser,
  SessionGuard,
  sessionRdFrom,
  SessionService,
  WechatSessionError,
} from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { EventEmitter, on } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';

/** Your events. With several instances they come from a message broker. */
@Injectable()
export class OrderEvents extends EventEmitter {}

@ObjectType()
export class Me {
  @Field(() => ID) openid: string;
}

@Resolver(() => Me)
@UseGuards(SessionGuard)
export class MeResolver {
  constructor(private readonly events: OrderEvents) {}

  @Query(() => Me)
  me(@CurrentUser() { openid }: { openid: string }): Me {
    return { openid };
  }

  /** The numbers of the user's orders that become paid. */
  @Subscription(() => ID, { resolve: ([id]: [string]) => id })
  paidOrder(@CurrentSession() { openid }: WechatSession) {
    return on(this.events, `paid by ${openid}`);
  }
}

/** Closes the WebSocket of subscriptions when its session ends. The guard checks only the start of a subscription. */
async function closeWithSession(
  sessions: SessionService,
  { socket, request }: { socket: WebSocket; request: IncomingMessage },
): Promise<boolean> {
  try {
    const session = await sessions.find(sessionRdFrom(request) ?? '');
    if (socket.readyState !== socket.OPEN) return false; // it was closed meanwhile
    const watch = sessions.untilRevoked(session).subscribe(() => socket.close(4401));
    socket.once('close', () => watch.unsubscribe());
    return true;
  } catch (error) {
    socket.close(error instanceof WechatSessionError ? 4401 : 1013); // 1013: try again later
    return false;
  }
}

/** Add it to the imports of your module, and OrderEvents and MeResolver to the providers. */
export const Graphql = GraphQLModule.forRootAsync<ApolloDriverConfig>({
  driver: ApolloDriver,
  inject: [SessionService],
  useFactory: (sessions: SessionService) => ({
    autoSchemaFile: true,
    subscriptions: {
      'graphql-ws': {
        onConnect: ({ extra }) =>
          closeWithSession(sessions, extra as { socket: WebSocket; request: IncomingMessage }),
      },
    },
  }),
});
// #endregion graphql
