// Loads a second copy of the package, as npm installs it for a library that depends on another version.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { cpSync } = require('node:fs');
const { join } = require('node:path');

const second = join(__dirname, 'other/node_modules/nestjs-wechat');
cpSync(join(__dirname, 'node_modules/nestjs-wechat'), second, { recursive: true });

async function main() {
  const a = require('nestjs-wechat');
  const warned = once(process, 'warning');
  const b = require(second);
  const [{ message }] = await warned;
  assert.match(
    message,
    /loaded 2 copies of this package, from .+ and .+\. .*Run: npm ls nestjs-wechat/,
  );

  assert.notEqual(a.WechatSessionError, b.WechatSessionError);
  assert.ok(new b.WechatSessionError() instanceof a.WechatSessionError);
  assert.equal(new a.WechatExceptionFilter().toResponse(new b.WechatSessionError()).status, 401);

  const request = {};
  const context = { getType: () => 'http', getArgByIndex: () => request };
  assert.equal(b.getSession(context), undefined);
  require('nestjs-wechat/testing').setSession(request, { openid: 'o-anna' });
  assert.equal(b.getSession(context).openid, 'o-anna');
}
void main();
