import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { EMBEDDED_DATABASE } from '../../apps/sample/src/database/database.module.js';
import type { EmbeddedDatabase } from '../../apps/sample/src/database/embedded-database.js';
import { expectDatabaseDown } from '../support/database-down.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

describe('the embedded database', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-embedded-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  describe('of a running app', () => {
    let s: Started;
    let token: string;
    beforeEach(async () => {
      s = await start({ database: { dir: join(folder, 'db') }, env: { LOG_LEVEL: 'error' } });
      ({ session_rd: token } = await s.login());
    });
    afterEach(() => s.close());

    it('does not delay a guarded request, then ends, leads to 503 on routes that need it, and starts again with its data', async () => {
      let ended = false;
      const query = s.app
        .get(DataSource)
        .query('SELECT count(*) FROM generate_series(1, 1000000)')
        .finally(() => (ended = true));
      expect((await s.call('GET /auth/session', { token })).status).toBe(200);
      expect(ended).toBe(false);
      await query;

      const { body: before } = await s.call('GET /me', { token });
      const database = s.app.get<EmbeddedDatabase>(EMBEDDED_DATABASE, { strict: false });
      await database['thread']?.terminate();
      await expectDatabaseDown(s, token);
      expect(s.log.join('')).toContain('It starts again in 1 s.');

      while ((await s.call('GET /health/ready')).status === 503)
        await new Promise((resolve) => setTimeout(resolve, 100));
      expect((await s.call('GET /me', { token })).body).toEqual(before);
    });
  });

  it('stops the start of the app if its folder is damaged', async () => {
    mkdirSync(join(folder, 'db'));
    writeFileSync(join(folder, 'db/PG_VERSION'), 'x');
    await expect(start({ database: { dir: join(folder, 'db') } })).rejects.toThrow();
  });
});
