import type { Started } from './start.js';

/** The database does not respond: 503 on a route that needs it, and of the readiness check. Other routes work. */
export async function expectDatabaseDown(s: Started, token: string): Promise<void> {
  const { status, headers, body } = await s.call('GET /me', { token });
  expect([status, headers.get('retry-after'), body.error]).toEqual([
    503,
    '1',
    'ERR_STORE_UNAVAILABLE',
  ]);
  expect((await s.call('GET /auth/session', { token })).status).toBe(200);
  expect((await s.call('GET /health/ready')).body).toMatchObject({
    code: 503,
    msg: 'not ready: database',
  });
}
