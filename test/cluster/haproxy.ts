import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../support/free-port.js';
import { describeWith } from '../support/needs.js';
import { until } from '../support/redis.js';

const CONFIGURATION = join(__dirname, '../../etc/haproxy.cfg');

/** `describe` for tests that need HAProxy. */
export const describeHaproxy = (title: string, stories: () => void): void =>
  describeWith(
    {
      name: 'HAProxy',
      isInstalled: spawnSync('haproxy', ['-v']).status === 0,
      package: 'haproxy',
    },
    title,
    stories,
  );

/** HAProxy with `etc/haproxy.cfg`. */
export interface Haproxy {
  url: string;
  stop: () => Promise<void>;
}

/** Starts HAProxy in front of three instances, which may start later. */
export async function startHaproxy(ports: number[]): Promise<Haproxy> {
  const port = await freePort();
  const instances = ports.map((each, i) => [`APP${i + 1}`, `127.0.0.1:${each}`]);
  const server = spawn('haproxy', ['-db', '-f', CONFIGURATION], {
    env: {
      PATH: process.env['PATH'],
      HAPROXY_BIND: `127.0.0.1:${port}`,
      ...Object.fromEntries(instances),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let problems = '';
  server.stderr.on('data', (chunk) => (problems += String(chunk)));
  const endWithUs = (): void => void server.kill('SIGKILL');
  process.once('exit', endWithUs);
  const url = `http://127.0.0.1:${port}`;
  await until(() => {
    if (server.exitCode !== null) throw new Error(`HAProxy did not start:\n${problems}`);
    return fetch(url).then(
      () => true,
      () => false,
    );
  });
  const stop = async (): Promise<void> => {
    process.off('exit', endWithUs);
    if (server.exitCode !== null) return;
    const exit = once(server, 'exit');
    server.kill('SIGTERM');
    await exit;
  };
  return { url, stop };
}
