const { createSession } = require('nestjs-wechat-miniprogram');
const { baseUrl } = require('./config');

// The one session of this mini program. Every page asks the server through it; nobody handles a token.
module.exports = createSession({ baseUrl });
