import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** jest's global setup: creates a folder for this run, in which its workers share what they start (`oncePerRun`). */
export default function createRunFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-run-'));
  process.env.TEST_RUN_FOLDER = folder; // the workers inherit it
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}
