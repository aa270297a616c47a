/** @internal */
export const ENV_EXAMPLE = '.env.example';

/** @internal The variables of the default mini program, each with its comment. */
export const VARIABLES: Record<string, string> = {
  WECHAT_MINI_APP_ID: 'The AppID of the mini program (mp.weixin.qq.com, 开发管理)',
  WECHAT_MINI_APP_SECRET: 'Its AppSecret',
};

/** @internal */
export const REDIS_VARIABLES: Record<string, string> = {
  REDIS_URL:
    'Sessions are in this Redis, such as redis://127.0.0.1:6379. Absent: in the memory of the process',
};

/** @internal The mini program that `nestjs-wechat-sandbox` serves by default. */
export const SANDBOX_ENV = `# The mini program of the local WeChat server that "npm run sandbox" starts.
WECHAT_MINI_APP_ID=wx5a4db0c1e2f37608
WECHAT_MINI_APP_SECRET=0c6f1a7be94d4f21a3d85b9e7264c8f0
WECHAT_API_BASE_URL=http://127.0.0.1:3100
`;

/** @internal Returns the text of a file of variables with those that it lacks. */
export function withVariables(text: string, variables: Record<string, string>): string {
  const missing = Object.entries(variables).filter(
    ([name]) => !new RegExp(`^#? *${name}=`, 'm').test(text),
  );
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return start + missing.map(([name, comment]) => `# ${comment}\n${name}=\n`).join('');
}
