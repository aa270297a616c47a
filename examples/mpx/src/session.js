import { createSession } from 'nestjs-wechat-miniprogram';

export const session = createSession({ baseUrl: 'http://localhost:3000' }); // in WeChat it finds the global wx
