import { hashSource } from '../transport/security-headers.js';
import type { SandboxApp } from '../world/apps.js';
import type { OAuthScope, SandboxUser } from '../world/user.js';

const STYLE = `
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 26rem; margin: 0 auto; padding: 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.25rem; margin: 0 }
p { margin: .75rem 0 }
fieldset { border: 1px solid #ccc; border-radius: .4rem }
label { display: block; padding: .4rem 0 }
button { font: inherit; min-height: 2.75rem; padding: .5rem 1.1rem; margin: 1rem .4rem 0 0; border: 1px solid #0a6b3d; border-radius: .4rem; background: #fff; color: #0a6b3d }
button[value=allow] { background: #0a6b3d; color: #fff }
`;

/**
 * Returns the content security policy of these pages: no script, one style, no frames on other websites.
 *
 * @param redirectOrigin where the form may lead, because browsers check the redirect after it too
 */
export const pagePolicy = (redirectOrigin = ''): string =>
  [
    "default-src 'none'",
    `style-src ${hashSource(STYLE)}`,
    `form-action 'self' ${redirectOrigin}`.trim(),
    "base-uri 'none'",
    "frame-ancestors 'self'",
  ].join('; ');

/** Returns the page on which the user is chosen and agrees. */
export function consentPage(app: SandboxApp, scope: OAuthScope, users: SandboxUser[]): string {
  if (users.length === 0)
    return problemPage('还没有用户 No users yet: POST /sandbox/users, then reload this page');
  return page(
    '微信登录 WeChat login',
    `<p><strong>${escapeHtml(app.name)}</strong> 申请获得你的公开信息 <span lang="en">asks for your public profile</span> (${scope})</p>
<form method="post">
<fieldset><legend>选择用户 <span lang="en">Choose a user</span></legend>
${users.map(choice).join('\n')}
</fieldset>
<button name="decision" value="allow">允许 <span lang="en">Allow</span></button>
<button name="decision" value="cancel">拒绝 <span lang="en">Cancel</span></button>
</form>`,
  );
}

/** The page after a refusal. WeChat does not redirect to the app. */
export function refusedPage(app: SandboxApp): string {
  return page(
    '已拒绝 Refused',
    `<p>你拒绝了 ${escapeHtml(app.name)}。<span lang="en">You refused. No code is given; you can close this page.</span></p>`,
  );
}

/** The page with the error of the app's request. */
export function problemPage(problem: string): string {
  return page('出错了 Something is wrong', `<p role="alert">${escapeHtml(problem)}</p>`);
}

function choice({ id, nickName }: SandboxUser, index: number): string {
  const checked = index === 0 ? ' checked' : '';
  return `<label><input type="radio" name="user" value="${escapeHtml(id)}"${checked}> ${escapeHtml(nickName)} (${escapeHtml(id)})</label>`;
}

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – nestjs-wechat-sandbox</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
