import { createServer } from 'node:http';
import { AddressInfo } from 'node:net';
import { httpSend } from '../test-support/http.js';
import { createPhone } from '../test-support/wx-shim.js';
import { FakeServer } from '../test-support/fake-server.js';
import { createSession } from './index.js';

/** Starts the fake server on a real port. It receives uploads as the text of their multipart body. */
async function listen(fake: FakeServer) {
  const received: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      received.push(`${request.method} ${request.headers['content-type'] ?? ''}\n${body}`);
      const header = request.headers.authorization
        ? { Authorization: request.headers.authorization }
        : {};
      const text = body.startsWith('{') ? body : undefined;
      void fake
        .send({
          method: request.method ?? '',
          url: `http://x${request.url}`,
          header: header as Record<string, string>,
          body: text,
        })
        .then(
          (reply) => response.writeHead(reply.statusCode, reply.header).end(reply.bytes),
          () => request.socket.destroy(),
        );
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    close: () => new Promise((closed) => server.close(closed)),
  };
}

describe('the shim over real HTTP', () => {
  it('logs in, requests, uploads, downloads, refreshes, and gets 503 and lost responses', async () => {
    const fake = new FakeServer();
    const server = await listen(fake);
    const phone = createPhone({ send: httpSend, login: fake.wxLogin });
    phone.files.set('http://tmp/voice.mp3', new Uint8Array(Buffer.from('sound')));
    const session = createSession({ baseUrl: server.url, wx: phone.wx });

    expect(
      await session.request({ url: '/me', method: 'PUT', data: { nickName: '小明' } }),
    ).toMatchObject({ sent: { nickName: '小明' } });
    await session.uploadFile({
      url: '/recordings',
      filePath: 'http://tmp/voice.mp3',
      formData: { duration: 900 },
    });
    expect(server.received.at(-1)).toMatch(/^POST multipart\/form-data; boundary=/);
    expect(server.received.at(-1)).toContain('name="duration"\r\n\r\n900');
    expect(server.received.at(-1)).toContain(
      'name="file"; filename="voice.mp3"\r\nContent-Type: audio/mpeg\r\n\r\nsound',
    );

    const path = await session.downloadFile({ url: '/recordings/1/content' });
    expect([...(phone.files.get(path) ?? [])]).toEqual([1, 2, 3]);

    fake.next('/auth/refresh', { retryAfter: 0 });
    await session.refresh();
    fake.next('/me', 'lost');
    await expect(session.request({ url: '/me' })).rejects.toMatchObject({ error: 'ERR_NETWORK' });
    await session.logout();
    expect(fake.logins).toHaveLength(0);
    await server.close();
  });
});
