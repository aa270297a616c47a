import { isLoopback } from '../transport/request-guard.js';
import { SandboxError } from '../world/sandbox-error.js';

/** Parses the URL of the server under test. The simulator forwards requests to it, so it must be on this machine. */
export function appAddress(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url?.protocol === 'http:' && isLoopback(url.hostname)) return url;
  throw new SandboxError(
    `The simulator cannot use ${JSON.stringify(baseUrl)}. Give it a server on this machine, such as http://127.0.0.1:3000.`,
  );
}
