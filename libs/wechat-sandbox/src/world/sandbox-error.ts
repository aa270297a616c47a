/** An invalid use of the sandbox. The message has the cause and the fix. It is never sent as a response of WeChat. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
}
