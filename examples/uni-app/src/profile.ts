import { ensureScope } from 'nestjs-wechat-miniprogram';
import { session } from './session';

export interface Me {
  openid: string;
  avatarUrl?: string;
}

export const fetchMe = () => session.request<Me>({ url: '/me' });

/** Uploads what the avatar button returned. Keep the promise to abort the upload. */
export const uploadAvatar = (filePath: string, onProgress: (percent: number) => void) =>
  session.uploadFile<Me>({ url: '/me/avatar', filePath, onProgress });

/** Call it in a tap handler. */
export const mayRecord = () => ensureScope('scope.record');
