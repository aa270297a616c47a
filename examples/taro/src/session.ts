// #region session
import Taro from '@tarojs/taro';
import { createSession } from 'nestjs-wechat-miniprogram';

export const session = createSession({ baseUrl: 'http://localhost:3000', wx: Taro });
// #endregion session
