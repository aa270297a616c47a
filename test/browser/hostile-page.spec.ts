import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Browser, Page } from 'playwright-core';
import { describeBrowser, launch } from './browser.js';

/** The script of a planted page. It runs before the load event, so no test has to wait for it. */
const SCRIPT = '<!doctype html><title>inert</title><script>document.title = "ran"</script>';
const CONSENT = '/connect/qrconnect';

/** A sandbox under attack: the real one, or the naive control. */
interface Target {
  url: string;
  /** The time of its clock in milliseconds. */
  now: () => number;
  /** How often its token API was called. */
  tokenCalls: () => number;
  /** The address of a page that asks the user for consent. */
  consentUrl: string;
}

/** Returns true if the attack succeeded. The page is open on the attacker's website. */
type Attack = (page: Page, target: Target) => Promise<boolean>;

describeBrowser('a page on a hostile website', () => {
  let browser: Browser;
  let page: Page;
  let servers: Server[];
  let developer: { url: string; posts: string[] };
  let attacker: string;
  let wechat: WechatSandbox;
  let sandbox: Target;
  let naive: Target;

  beforeAll(async () => {
    servers = [];
    developer = await startDeveloperServer();
    attacker = (await listen(html('<!doctype html><title>attacker</title>'))).replace(
      '127.0.0.1',
      'attacker.example',
    );
    wechat = await startWechatSandbox({ demoUsers: true });
    wechat.simulate(developer.url);
    sandbox = {
      url: wechat.url,
      now: wechat.clock.now,
      tokenCalls: () => wechat.requestsTo('/cgi-bin/token').length,
      consentUrl: `${wechat.url}${CONSENT}?${new URLSearchParams({
        appid: wechat.apps[1]!.appId,
        redirect_uri: `${attacker}/callback`,
        response_type: 'code',
        scope: 'snsapi_login',
      }).toString()}`,
    };
    naive = await startNaiveSandbox();
    browser = await launch([
      '--host-resolver-rules=MAP attacker.example 127.0.0.1,MAP rebound.example 127.0.0.1',
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await wechat?.close();
    for (const server of servers) server.close();
  });
  beforeEach(async () => {
    page = await (await browser.newContext()).newPage();
    await page.goto(attacker);
  });
  afterEach(async () => {
    await page.context().close();
    wechat.clear();
  });

  async function listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await new Promise((resolve) => server.once('listening', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** The developer's own server: it has a page that a user uploaded, and a route that changes something. */
  async function startDeveloperServer(): Promise<{ url: string; posts: string[] }> {
    const posts: string[] = [];
    const url = await listen((request, response) => {
      if (request.method === 'POST') posts.push(`${request.url} ${request.headers.origin}`);
      html(SCRIPT)(request, response);
    });
    return { url, posts };
  }

  /** The control: a sandbox that does not check Host and Origin, allows every origin, and forwards every request. */
  async function startNaiveSandbox(): Promise<Target> {
    let skipped = 0;
    let tokenCalls = 0;
    const url = await listen((request, response) => {
      response.setHeader('access-control-allow-origin', '*');
      const path = request.url ?? '';
      if (path.startsWith('/simulator/app/')) {
        const target = developer.url + path.replace('/simulator/app', '');
        request.pipe(
          httpRequest(target, { method: request.method }, (reply) => {
            response.writeHead(reply.statusCode ?? 502, reply.headers);
            reply.pipe(response);
          }),
        );
      } else if (path === '/sandbox/clock/advance') {
        skipped += 3_600_000;
        response.end('{}');
      } else if (path.startsWith('/sandbox/')) {
        response.end('{"code":"0abc","users":["alice"]}');
      } else if (path.startsWith('/cgi-bin/token')) {
        tokenCalls++;
        response.end('{}');
      } else if (path.startsWith('/connect/oauth2')) {
        html('<button>Allow</button>')(request, response);
      } else {
        html(SCRIPT)(request, response);
      }
    });
    return {
      url,
      now: () => Date.now() + skipped,
      tokenCalls: () => tokenCalls,
      consentUrl: `${url}/connect/oauth2/authorize`,
    };
  }

  /** Opens an address from the attacker's page, in a new tab or by another statement, and returns the title of the opened page. */
  async function titleOfTab(open: string): Promise<string> {
    const [tab] = await Promise.all([page.waitForEvent('popup'), page.evaluate(open)]);
    await tab.waitForLoadState('load');
    return tab.title();
  }

  const ATTACKS: [string, Attack][] = [
    [
      'gets a login code of a user',
      async (_page, { url }) => {
        const code = await page.evaluate(
          `fetch('${url}/sandbox/users/alice/login', { method: 'POST' })
            .then((response) => response.json()).then(({ code }) => code, () => undefined)`,
        );
        return typeof code === 'string';
      },
    ],
    [
      'moves the clock without reading the response',
      async (_page, { url, now }) => {
        const before = now();
        await page.evaluate(
          `fetch('${url}/sandbox/clock/advance', { method: 'POST', mode: 'no-cors', body: '{"by":"1h"}' })
            .catch(() => undefined)`,
        );
        return now() - before > 3_000_000;
      },
    ],
    [
      'plants a page with a script on the origin of the sandbox',
      async (_page, { url }) => {
        await page.evaluate(
          `fetch('${url}/sandbox/next', { method: 'POST', mode: 'no-cors', body: ${JSON.stringify(
            JSON.stringify({ path: CONSENT, body: SCRIPT, contentType: 'text/html' }),
          )} }).catch(() => undefined)`,
        );
        return (await titleOfTab(`void open('${url}${CONSENT}')`)) === 'ran';
      },
    ],
    [
      'runs the script of a page that is already planted',
      async (_page, { url }) => {
        wechat.next(CONSENT, {
          body: SCRIPT,
          contentType: 'text/html',
          headers: { 'Content-Security-Policy': "script-src 'unsafe-inline'" },
        });
        return (await titleOfTab(`void open('${url}${CONSENT}')`)) === 'ran';
      },
    ],
    [
      'runs a page of the developer’s server on the origin of the sandbox',
      async (_page, { url }) =>
        (await titleOfTab(`void open('${url}/simulator/app/uploaded.html')`)) === 'ran',
    ],
    [
      'posts a form to the developer’s server without its own Origin',
      async (_page, { url }) => {
        developer.posts.length = 0;
        await titleOfTab(`{
          const form = document.createElement('form');
          Object.assign(form, { method: 'post', target: '_blank', action: '${url}/simulator/app/orders' });
          document.body.append(form);
          form.submit();
        }`);
        return developer.posts.includes('/orders undefined');
      },
    ],
    [
      'reads the control plane under a name that it has rebound to 127.0.0.1',
      async (_page, { url }) => {
        await page.goto(`${url.replace('127.0.0.1', 'rebound.example')}/sandbox/users`);
        return (await page.content()).includes('alice');
      },
    ],
    [
      'uses up the access token with an image',
      async (_page, { url, tokenCalls }) => {
        const before = tokenCalls();
        await page.evaluate(
          `new Promise((resolve) => {
            const image = new Image();
            image.onload = image.onerror = resolve;
            image.src = '${url}/cgi-bin/token?grant_type=client_credential';
          })`,
        );
        return tokenCalls() > before;
      },
    ],
    [
      'shows the consent page in a frame, to steal a click',
      async (_page, { consentUrl }) => {
        await page.evaluate(
          `new Promise((resolve) => {
            const frame = document.createElement('iframe');
            frame.onload = resolve;
            frame.src = '${consentUrl}';
            document.body.append(frame);
          })`,
        );
        return page.frames()[1]!.getByRole('button', { name: 'Allow' }).isVisible();
      },
    ],
  ];

  it.each(ATTACKS)('%s: in the naive control, and not in the sandbox', async (_title, attack) => {
    expect(await attack(page, naive)).toBe(true);
    await page.goto(attacker);
    expect(await attack(page, sandbox)).toBe(false);
  });

  it('may link to the simulator and send its user to the consent page', async () => {
    expect(await titleOfTab(`void open('${wechat.url}/simulator/')`)).toContain('WeChat');
    expect(await titleOfTab(`void open('${sandbox.consentUrl}')`)).toContain('WeChat login');
  });

  it('gets its user back from the consent page with a code', async () => {
    const [tab] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate(`void open('${sandbox.consentUrl}')`),
    ]);
    await tab.getByRole('button', { name: 'Allow' }).click();
    await tab.waitForURL(`${attacker}/callback?*`);
    expect(new URL(tab.url()).searchParams.get('code')).toMatch(/^0\w{31}$/);
  });
});

const html =
  (body: string) =>
  (_request: IncomingMessage, response: Parameters<RequestListener>[1]): void => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(body);
  };
