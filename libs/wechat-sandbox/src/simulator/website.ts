import type { SandboxApp } from '../world/apps.js';
import { masked, maskedBody } from './masking.js';
import { answerTo, type Message, type Traffic } from './traffic.js';

/** What a step of the website's login came to. */
interface Outcome {
  status: number;
  /** Of the server's envelope; as a page may see it. */
  body: Record<string, unknown>;
}

/** The backend of a website that uses the server under test as its central WeChat service. It holds the app's secret; its page does not. */
export class Website {
  constructor(
    private readonly app: URL,
    private readonly mobileApp: SandboxApp,
    private readonly traffic: Traffic,
  ) {}

  /** Trades the code of the consent page for a token, and the token for the person. */
  async login(code: string): Promise<object> {
    const { appId, secret } = this.mobileApp;
    const path = `/wx/v1/${encodeURIComponent(appId)}`;
    const exchanged = await this.#get(
      `${path}/${encodeURIComponent(secret)}/oauth2`,
      '/wx/v1/{appId}/{secret}/oauth2',
      { code },
    );
    const token = exchanged.body['data'];
    if (exchanged.status !== 200 || typeof token !== 'string') return shown(exchanged);
    return shown(
      await this.#get(
        `${path}/${encodeURIComponent(token)}/userInfo`,
        '/wx/v1/{appId}/{token}/userInfo',
        { refresh: 'true' },
      ),
    );
  }

  async #get(path: string, pattern: string, query: Record<string, string>): Promise<Outcome> {
    const started = Date.now();
    const question: Message = {
      from: 'client',
      to: 'server',
      title: `GET ${pattern}`,
      who: 'website',
      query: masked(query) as object,
    };
    const asked = this.traffic.say(question);
    const answered = (status: number, body?: unknown): void => {
      this.traffic.say({
        ...answerTo(question),
        answers: asked.id,
        status,
        took: Date.now() - started,
        body,
      });
    };
    try {
      const search = new URLSearchParams(query).toString();
      const answer = await fetch(`${this.app.href.replace(/\/$/, '')}${path}?${search}`, {
        redirect: 'manual',
      });
      const bytes = Buffer.from(await answer.arrayBuffer());
      answered(answer.status, maskedBody(bytes, answer.headers.get('content-type') ?? ''));
      return { status: answer.status, body: parse(bytes) };
    } catch {
      answered(0);
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
