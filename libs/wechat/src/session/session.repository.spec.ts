import { requestHashOf } from './request-id.js';
import { sessionCodec } from './session.repository.js';
import type { SessionRecord } from './session.repository.js';

const RECORD: SessionRecord = {
  appId: 'wx1234567890abcdef',
  openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
  issuedAt: 1,
  refreshedAt: 2,
  expiresAt: 3,
  loginExpiresAt: 4,
  secret: Buffer.alloc(16, 1),
};
const previous = { secret: Buffer.alloc(16, 2), graceUntil: 5 };
const requestHash = requestHashOf('9f86d081884c7d659a2feaa0c55ad015')!;

describe('the bytes of a session record', () => {
  it.each([
    ['never refreshed', RECORD],
    ['refreshed without a request id', { ...RECORD, previous }],
    ['refreshed with a request id', { ...RECORD, previous: { ...previous, requestHash } }],
    ['with a unionid', { ...RECORD, unionid: 'u', previous: { ...previous, requestHash } }],
  ])('decode to the same record: %s', (_, record) => {
    expect(sessionCodec.decode(sessionCodec.encode(record))).toEqual(record);
  });

  it('end with eight bytes of the hash of a request id, after all fields that an older version reads', () => {
    const before = sessionCodec.encode({ ...RECORD, previous });
    const after = sessionCodec.encode({ ...RECORD, previous: { ...previous, requestHash } });
    expect(requestHash).toHaveLength(8);
    expect(after.subarray(2)).toEqual(Buffer.concat([before.subarray(2), requestHash]));
  });

  it('of version 0.1.0, which have no request id, are still read', () => {
    // written by 0.1.0: version 1, flag 2 (a previous token), then the fields
    const hex =
      '01020008' +
      '1234567890abcdef' +
      '0115' +
      Buffer.from(RECORD.openid, 'base64url').toString('hex') +
      '000000000001000000000002000000000003000000000004' +
      '01'.repeat(16) +
      '02'.repeat(16) +
      '000000000005';
    expect(sessionCodec.decode(Buffer.from(hex, 'hex'))).toEqual({ ...RECORD, previous });
  });
});
