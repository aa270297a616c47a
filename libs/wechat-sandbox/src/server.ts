import fastify, { type FastifyInstance } from 'fastify';
import { controlPlane } from './control/control-plane.js';
import type { ControlPlaneParts } from './control/control-plane.js';
import { recordControlCalls } from './simulator/control-traffic.js';
import { recordPlatformCall } from './simulator/platform-traffic.js';
import { simulator } from './simulator/simulator.js';
import type { SimulatorParts } from './simulator/simulator.js';
import { handlePlatformRequest } from './transport/platform-handler.js';
import type { HandlerParts } from './transport/platform-handler.js';
import {
  assertOrigins,
  refuseBrowsers,
  requireKnownHost,
  requireOwnOrigin,
} from './transport/request-guard.js';

interface ServerParts {
  /** The name or address to listen on. */
  host: string;
  /** Origins of other pages that may call the control plane. */
  allowedOrigins: readonly string[];
  control: ControlPlaneParts;
  simulator: SimulatorParts;
  platform: HandlerParts;
}

/** Creates the HTTP server: the control plane at `/sandbox`, the simulator at `/simulator`, and WeChat's own paths. */
export function createServer(parts: ServerParts): FastifyInstance {
  const { traffic, qrContents } = parts.simulator;
  assertOrigins(parts.allowedOrigins);
  const server = fastify({ forceCloseConnections: true });
  requireKnownHost(server, parts.host);
  server.register(
    async (scope) => {
      requireOwnOrigin(scope, parts.allowedOrigins);
      recordControlCalls(scope, traffic, parts.control.world.users);
      controlPlane(scope, parts.control);
    },
    { prefix: '/sandbox' },
  );
  server.register(
    async (scope) => {
      requireOwnOrigin(scope);
      simulator(scope, parts.simulator);
    },
    { prefix: '/simulator' },
  );
  server.register(async (scope) => {
    refuseBrowsers(scope);
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null)); // the handler reads the body, or resets the connection before it
    scope.all('*', ({ raw: request }, reply) => {
      reply.hijack();
      const { requestLog } = parts.platform;
      recordPlatformCall(request, reply.raw, { traffic, requestLog, qrContents });
      return handlePlatformRequest(request, reply.raw, parts.platform);
    });
  });
  return server;
}
