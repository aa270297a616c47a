// Checks that a missing optional package is one sentence with the command that installs it.
const assert = require('node:assert/strict');

const sentenceOf = (load) => {
  try {
    load();
  } catch (error) {
    return error.message;
  }
  return 'no error';
};
require('./redis-message.cjs');
assert.equal(
  sentenceOf(() => require('nestjs-wechat/passport')),
  'nestjs-wechat/passport needs @nestjs/passport, passport, passport-custom. Run: npm install @nestjs/passport passport passport-custom',
);
assert.equal(
  sentenceOf(() => require('nestjs-wechat/health')),
  'nestjs-wechat/health needs @nestjs/terminus. Run: npm install @nestjs/terminus',
);
