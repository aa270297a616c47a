import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWith } from './needs.js';
import type { Program } from './needs.js';
import { describeRedis } from './redis.js';

const OPENSSL: Program = {
  name: 'openssl',
  isInstalled: spawnSync('openssl', ['version']).status === 0,
  package: 'openssl',
};

/** `describe` for tests that need redis-server and openssl. */
export const describeOpenssl: typeof describeRedis = (title, stories) =>
  OPENSSL.isInstalled ? describeRedis(title, stories) : describeWith(OPENSSL, title, stories);

/** A certificate authority for tests, and a certificate for this machine that it signed. */
export class Certificates {
  private readonly directory = mkdtempSync(join(tmpdir(), 'wechat-tls-'));
  readonly ca = join(this.directory, 'ca.pem');
  private readonly key = join(this.directory, 'server.key');
  private readonly certificate = join(this.directory, 'server.pem');

  constructor() {
    const caKey = join(this.directory, 'ca.key');
    const signed = ['-CA', this.ca, '-CAkey', caKey, '-addext', 'subjectAltName=IP:127.0.0.1'];
    this.openssl('-subj', '/CN=test authority', '-keyout', caKey, '-out', this.ca);
    this.openssl(
      '-subj',
      '/CN=127.0.0.1',
      '-keyout',
      this.key,
      '-out',
      this.certificate,
      ...signed,
    );
  }

  get caText(): string {
    return readFileSync(this.ca, 'utf8');
  }

  /** Returns arguments for redis-server: TLS on this port, and plain text on the other one. Clients use passwords, not certificates. */
  redisArgs(port: number): string[] {
    const files = [
      '--tls-cert-file',
      this.certificate,
      '--tls-key-file',
      this.key,
      '--tls-ca-cert-file',
      this.ca,
    ];
    return ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  private openssl(...args: string[]): void {
    const made = [
      'req',
      '-x509',
      '-nodes',
      '-days',
      '2',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
    ];
    execFileSync('openssl', [...made, ...args], { stdio: 'pipe' });
  }
}
