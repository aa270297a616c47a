/** The sandbox was used in a way that cannot work; the message says why and what to do instead. Never sent as an answer of WeChat. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
}
