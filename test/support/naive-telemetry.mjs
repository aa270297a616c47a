// The usual OpenTelemetry setup, loaded by `node --import`: the control of test/sample/telemetry.e2e-spec.ts.
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { NodeSDK } from '@opentelemetry/sdk-node';

const { LEFT_OUT } = process.env;
const http = new HttpInstrumentation({
  ignoreOutgoingRequestHook: ({ hostname }) =>
    LEFT_OUT !== undefined && hostname?.endsWith(LEFT_OUT),
});
const sdk = new NodeSDK({ instrumentations: [http] });
sdk.start();
process.once('SIGTERM', () => void sdk.shutdown());
