import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WsAdapter } from '@nestjs/platform-ws';
import { SessionService } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { WebSocket } from 'ws';
import { parse, parseAllDocuments } from 'yaml';
import { SHUTDOWN_TIMEOUT_MS } from '../../apps/sample/src/app.js';
import { Shutdown } from '../../apps/sample/src/common/shutdown.js';
import { readConfig } from '../../apps/sample/src/config.js';
import { TicksController } from '../../examples/recipes/src/sse.js';
import { TicksGateway } from '../../examples/recipes/src/websocket.js';
import { Instance, killInstances } from '../faults/instance.js';
import { clientOf, sendRaw, statusesOf } from '../support/http.js';
import { file, uploadTo } from '../support/multipart.js';
import { describeNginx, startNginx } from '../support/nginx.js';
import type { TestNginx } from '../support/nginx.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';

/* The files of docs/deployment.md. */

const read = (path: string): string => readFileSync(join(__dirname, '../..', path), 'utf8');
const MB = 1024 * 1024;

let wechat: WechatSandbox;
let app: Started;

beforeAll(async () => {
  wechat = await startWechatSandbox();
  app = await start({ wechat, env: { TRUST_PROXY: '1', LOGIN_RATE_LIMIT: '2' } });
});
afterAll(async () => {
  await app.close();
  await wechat.close();
});

describeNginx('etc/nginx.conf', () => {
  let nginx: TestNginx;
  afterEach(() => nginx.stop());

  /** Three logins that claim to come from three addresses. */
  async function forgedLogins(url: string): Promise<number[]> {
    const call = clientOf(url);
    const logins = [1, 2, 3].map(async (host) => {
      const body = await wechat.users.create().login();
      const headers = { 'x-forwarded-for': `203.0.113.${host}` };
      return call('POST /auth/login', { body, headers });
    });
    return statusesOf(await Promise.all(logins));
  }

  it('counts logins by the address of the client, for any X-Forwarded-For that it sends', async () => {
    nginx = await startNginx(app.url);
    expect(await forgedLogins(nginx.url)).toEqual([200, 200, 429]);
    expect(await forgedLogins(app.url)).toEqual([200, 200, 200]); // control: without nginx
  });

  it('lets the app refuse an upload that is too large, and refuses a larger one itself', async () => {
    nginx = await startNginx(app.url);
    const { session_rd } = await app.login(undefined, {
      headers: { 'x-forwarded-for': '203.0.113.9' },
    });
    const tooLarge = [file(Buffer.alloc(21 * MB))];
    expect(await uploadTo(nginx.url)('POST /recordings', session_rd, tooLarge)).toMatchObject({
      status: 413,
      body: { success: false },
    });
    const head = `POST /recordings HTTP/1.1\r\nHost: app\r\nContent-Length: ${26 * MB}\r\n\r\n`;
    expect(await sendRaw(nginx.url, head)).toEqual({
      status: 413,
      text: expect.stringContaining('nginx'),
    });
  });

  it('writes no secret of a path or a query into its logs, also if no instance responds', async () => {
    nginx = await startNginx(app.url);
    const paths = [
      '/wx/mini/v1/wx1/canary/code2Session',
      '//wx/v1/wx1/canary/oauth2',
      '/shared/recordings/canary',
      '/content/checks/canary.mp3',
      '/avatars/canary.jpg',
      '/me?canary',
    ];
    for (const path of paths) await fetch(nginx.url + path);
    await nginx.stop();
    for (const place of ['wx', 'shared', 'content/checks', 'avatars'])
      expect(nginx.log()).toContain(`"GET /${place}/-" 4`);
    expect(nginx.log()).not.toContain('canary');

    nginx = await startNginx('http://127.0.0.1:1');
    for (const path of paths) expect((await fetch(nginx.url + path)).status).toBe(502);
    await nginx.stop();
    expect(nginx.log()).not.toContain('canary');
  });

  it('passes streams on at once, and closes them when the session is revoked', async () => {
    const team = await startTeamApp(optionsFor(wechat), {
      controllers: [TicksController],
      providers: [TicksGateway],
      prepare: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)),
    });
    nginx = await startNginx(team.url);
    const { code } = await wechat.users.create().login();
    const { session_rd } = await team.get(SessionService).login(code);
    const headers = { authorization: `Bearer ${session_rd}` };

    const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/ticks`, { headers });
    await once(socket, 'open');
    const events = (await fetch(`${nginx.url}/ticks`, { headers })).body!.getReader();
    let received = '';
    while (!received.includes('"tick":0'))
      received += Buffer.from((await events.read()).value!).toString();

    const closed = once(socket, 'close');
    await team.get(SessionService).revoke(session_rd);
    expect((await closed)[0]).toBe(4401);
    while (!(await events.read()).done) continue;
    await closeTeamApps();
  });
});

describe('etc/kubernetes.yaml', () => {
  const text = read('etc/kubernetes.yaml');
  const parts: any[] = parseAllDocuments(text).map((part) => part.toJS());
  const partOf = (kind: string) => parts.find((part) => part.kind === kind);
  const pod = partOf('Deployment').spec.template.spec;
  const [container] = pod.containers;
  const [, secrets = ''] = /secrets\.env has (.+)\./.exec(text) ?? [];
  const env: Record<string, string> = {
    ...Object.fromEntries(secrets.split(/, | and /).map((name) => [name, valueOf(name)])),
    ...partOf('ConfigMap').data,
  };
  const config = readConfig({ ...env, NODE_ENV: 'production' });

  it('sets variables that the app has', () => {
    const known = read('.env.example').match(/^\w+(?==)/gm);
    expect(Object.keys(env).filter((name) => !known?.includes(name))).toEqual([]);
  });

  it('names the same port, volume, user and probe as the app and the Dockerfile', () => {
    const dockerfile = read('Dockerfile');
    const { startupProbe, livenessProbe, ports, volumeMounts, envFrom } = container;
    expect(ports).toEqual([{ name: 'http', containerPort: config.port }]);
    expect(partOf('Service').spec.ports[0].targetPort).toBe('http');
    expect(dockerfile).toContain(`EXPOSE ${config.port}`);
    expect(dockerfile).toContain(livenessProbe.httpGet.path);
    expect(startupProbe.httpGet).toEqual(livenessProbe.httpGet);
    expect(dockerfile).toContain(`VOLUME ${volumeMounts[0].mountPath}`);
    expect(config.uploadDir.startsWith(`${volumeMounts[0].mountPath}/`)).toBe(true);
    expect(dockerfile).toContain('USER node');
    expect(pod.securityContext.runAsUser).toBe(1000); // `node` in the images of Node.js
    expect(envFrom.flatMap(Object.values)).toEqual([{ name: 'app' }, { name: 'app' }]);
  });

  it('selects its own pods, and mounts volumes that it declares', () => {
    const { selector, template } = partOf('Deployment').spec;
    const { labels } = template.metadata;
    expect(selector.matchLabels).toEqual(labels);
    expect(partOf('Service').spec.selector).toEqual(labels);
    expect(partOf('PodDisruptionBudget').spec.selector.matchLabels).toEqual(labels);
    const names = (list: { name: string }[]) => list.map(({ name }) => name);
    expect(names(container.volumeMounts)).toEqual(names(pod.volumes));
    expect(pod.volumes[0].persistentVolumeClaim.claimName).toBe(
      partOf('PersistentVolumeClaim').metadata.name,
    );
  });

  it('gives the app time to notice and to finish', () => {
    const stopMs = config.shutdownDrainMs + SHUTDOWN_TIMEOUT_MS;
    const { periodSeconds, failureThreshold } = container.readinessProbe;
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(stopMs);
    expect(periodSeconds * failureThreshold * 1000).toBeLessThan(config.shutdownDrainMs);
    const { stop_grace_period: composed } = parse(read('compose.yaml')).services.app;
    expect(Number.parseInt(composed, 10) * 1000).toBeGreaterThan(stopMs);
  });

  it('stops the traffic and not the process when the app is not ready', async () => {
    const probe = async (name: 'readinessProbe' | 'livenessProbe') =>
      (await app.call(`GET ${container[name].httpGet.path}`)).status;
    expect([await probe('readinessProbe'), await probe('livenessProbe')]).toEqual([200, 200]);
    await app.app.get(Shutdown, { strict: false }).drain(0);
    expect([await probe('readinessProbe'), await probe('livenessProbe')]).toEqual([503, 200]);
  });
});

/** A value that the app accepts. */
function valueOf(name: string): string {
  if (name === 'WECHAT_MINI_APP_ID') return 'wx5a4db0c1e2f37608';
  if (name === 'WECHAT_ENCRYPTION_KEYS') return `k1:${Buffer.alloc(32).toString('base64')}`;
  const scheme = { REDIS_URL: 'redis', DATABASE_URL: 'postgres' }[name];
  return scheme ? `${scheme}://${name.toLowerCase()}` : 'x'.repeat(44);
}

describeRedis('a function that the platform froze', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(async () => {
    killInstances();
    await redis.end();
  });

  it('serves requests again, after 503 at most, if Redis has closed its connection', async () => {
    const instance = await Instance.start(wechat, redis);
    const { code } = await wechat.users.create().login();
    const { session_rd } = (await (await instance.login(code)).json()) as { session_rd: string };
    expect(await instance.me(session_rd)).toBe(200);
    instance.pause();
    await redis.run('CLIENT', 'KILL', 'TYPE', 'normal');
    instance.resume();
    let status = 0;
    await until(async () => (status = await instance.me(session_rd)) !== 503);
    expect(status).toBe(200);
  });
});
