import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { describeWith } from './needs.js';
import { until } from './redis.js';

/** `describe` for tests that need nginx. */
export const describeNginx = (title: string, stories: () => void): void =>
  describeWith(
    {
      name: 'nginx',
      isInstalled: spawnSync('nginx', ['-v']).status === 0,
      package: 'nginx-light',
    },
    title,
    stories,
  );

const SITE = readFileSync(join(__dirname, '../../etc/nginx.conf'), 'utf8');

/** An nginx with etc/nginx.conf, without TLS. The second server of its upstream does not respond. */
export interface TestNginx {
  url: string;
  /** What it has logged, complete after `stop`. */
  log: () => string;
  stop: () => Promise<void>;
}

/** @param app the URL of the first server of the upstream */
export async function startNginx(app: string): Promise<TestNginx> {
  const folder = mkdtempSync(join(tmpdir(), 'wechat-nginx-'));
  process.once('exit', () => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755); // its workers are another user
  const [port, closed] = [await freePort(), await freePort()];
  const site = SITE.replace('listen 443 ssl', `listen 127.0.0.1:${port}`)
    .replace('10.0.0.11:3000', new URL(app).host)
    .replace('10.0.0.12:3000', `127.0.0.1:${closed}`)
    .replace(/^ *ssl_.*$/gm, '')
    .replaceAll('/var/log/nginx', folder);
  writeFileSync(join(folder, 'site.conf'), site);
  writeFileSync(join(folder, 'nginx.conf'), mainIn(folder));
  const nginx = spawn('nginx', ['-p', folder, '-c', 'nginx.conf'], { stdio: 'inherit' });
  const exit = once(nginx, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const isUp = (): Promise<boolean> => fetch(url).then(Boolean, () => false);
  await until(async () => nginx.exitCode !== null || isUp());
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  return {
    url,
    log: () => read('api.log') + read('error.log'),
    stop: async () => {
      nginx.kill('SIGTERM');
      await exit;
    },
  };
}

/** What the distribution's nginx.conf does, in one folder. */
function mainIn(folder: string): string {
  const parts = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = parts.map((part) => `${part}_temp_path ${folder}/${part};`);
  return `daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/main.log;
events {}
http {
  ${paths.join('\n  ')}
  include ${folder}/site.conf;
}
`;
}
