/** A limit that ends the growth of a part. */
export interface Limit {
  id:
    | 'mediaChecks'
    | 'mediaChecksPerMinute'
    | 'prepays'
    | 'messages'
    | 'databaseCores'
    | 'databaseBytes';
  limit: number;
  /** Where the number is published. Without it, the number is an assumption about a large server. */
  page?: string;
  /** The page gives it as approximate, or it is known from elsewhere. */
  isUncertain?: boolean;
}

const MEDIA_CHECK =
  'https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/mediaCheckAsync.html';

export const LIMITS: readonly Limit[] = [
  { id: 'mediaChecks', limit: 200_000, page: MEDIA_CHECK },
  { id: 'mediaChecksPerMinute', limit: 2_000, page: MEDIA_CHECK },
  {
    id: 'prepays',
    limit: 500,
    page: 'https://pay.weixin.qq.com/doc/v3/merchant/4012791897',
    isUncertain: true,
  },
  {
    id: 'messages',
    limit: 30_000_000,
    page: 'https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html',
  },
  /** Busy cores of one server: half of 64. */
  { id: 'databaseCores', limit: 32 },
  /** 10 TB: a backup at 1 GB/s takes three hours. */
  { id: 'databaseBytes', limit: 10e12 },
];
