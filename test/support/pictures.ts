import { PNG } from 'pngjs';

export const PNG_PICTURE = PNG.sync.write(new PNG({ width: 2, height: 2 }));
export const GIF_PICTURE = Buffer.from(
  'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7',
  'base64',
);
export const JPEG_PICTURE = Buffer.concat([
  Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex'),
]);
export const WEBP_PICTURE = Buffer.from(
  'UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAwA0JaQAA3AA/vuUAAA=',
  'base64',
);
