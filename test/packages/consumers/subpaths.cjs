const assert = require('node:assert/strict');

assert.equal(typeof require('nestjs-wechat/passport').WechatSessionStrategy, 'function');
assert.equal(typeof require('nestjs-wechat/health').WechatHealthIndicator, 'function');
assert.equal(typeof require('nestjs-wechat/testing').mockSessionGuard, 'function');
assert.equal(require('nestjs-wechat/package.json').name, 'nestjs-wechat');
assert.throws(() => require('nestjs-wechat/dist/index.js'), /not defined by "exports"/);
