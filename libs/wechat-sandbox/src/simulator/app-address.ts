import { SandboxError } from '../world/sandbox-error.js';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Whether a host name means this machine and no other. */
export const isLoopback = (hostname: string): boolean => LOOPBACK.has(hostname);

/** The server under test. The simulator passes requests on to it, so it must not become a way to anywhere else. */
export function appAddress(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url?.protocol === 'http:' && isLoopback(url.hostname)) return url;
  throw new SandboxError(
    `The simulator cannot use ${JSON.stringify(baseUrl)}. Give it a server on this machine, such as http://127.0.0.1:3000.`,
  );
}
