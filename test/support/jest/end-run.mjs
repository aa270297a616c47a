import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** jest's global teardown: ends the servers that the workers shared, and removes their folders. */
export default async function endRun() {
  const run = process.env.TEST_RUN_FOLDER;
  for (const name of readdirSync(run).filter((each) => each.endsWith('.json'))) {
    const { pid, folder } = JSON.parse(readFileSync(join(run, name), 'utf8'));
    if (pid) await end(pid);
    if (folder) rmSync(folder, { recursive: true, force: true });
  }
}

async function end(pid) {
  try {
    process.kill(pid, 'SIGINT'); // PostgreSQL's fast shutdown
    while (process.kill(pid, 0)) await sleep(20);
  } catch {
    // it has ended
  }
}
