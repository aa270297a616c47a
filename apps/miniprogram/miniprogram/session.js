const { createSession } = require('nestjs-wechat-miniprogram');
const { baseUrl } = require('./config');

// The session of this mini program. Every page sends its requests through it, so no page handles a token.
module.exports = createSession({ baseUrl });
