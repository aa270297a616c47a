import type { SandboxApp } from '../world/apps.js';
import { masked, maskedBody } from './masking.js';
import type { Traffic } from './traffic.js';

/** The response to one step of the website's login. */
interface Outcome {
  status: number;
  /** The JSON object of the response, or an empty object. */
  body: Record<string, unknown>;
}

/** The backend of a website that uses the server under test as its central WeChat service. It has the app's secret, and its page does not. */
export class Website {
  constructor(
    private readonly app: URL,
    private readonly mobileApp: SandboxApp,
    private readonly traffic: Traffic,
  ) {}

  /** Exchanges the code of the consent page for a token, then reads the user info with the token. */
  async login(code: string): Promise<object> {
    const { appId, secret } = this.mobileApp;
    const path = `/wx/v1/${encodeURIComponent(appId)}`;
    const exchanged = await this.get(
      `${path}/${encodeURIComponent(secret)}/oauth2`,
      '/wx/v1/{appId}/{secret}/oauth2',
      { code },
    );
    const token = exchanged.body['data'];
    if (exchanged.status !== 200 || typeof token !== 'string') return shown(exchanged);
    return shown(
      await this.get(
        `${path}/${encodeURIComponent(token)}/userInfo`,
        '/wx/v1/{appId}/{token}/userInfo',
        { refresh: 'true' },
      ),
    );
  }

  private async get(
    path: string,
    pattern: string,
    query: Record<string, string>,
  ): Promise<Outcome> {
    const startedAt = Date.now();
    const request = this.traffic.add({
      from: 'client',
      to: 'server',
      title: `GET ${pattern}`,
      user: 'website',
      query: masked(query) as object,
    });
    const respond = (status: number, body?: unknown): void =>
      this.traffic.respond(request, { status, durationMs: Date.now() - startedAt, body });
    try {
      const search = new URLSearchParams(query).toString();
      const response = await fetch(`${this.app.href.replace(/\/$/, '')}${path}?${search}`, {
        redirect: 'manual',
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      respond(response.status, maskedBody(bytes, response.headers.get('content-type') ?? ''));
      return { status: response.status, body: parse(bytes) };
    } catch {
      respond(0);
      return { status: 0, body: {} };
    }
  }
}

const shown = ({ status, body }: Outcome): object => ({ status, body: masked(body) });

function parse(bytes: Buffer): Record<string, unknown> {
  try {
    return { ...(JSON.parse(bytes.toString('utf8')) as object) };
  } catch {
    return {};
  }
}
