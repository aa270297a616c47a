import { HttpReply, HttpCall, HttpSend, UploadBody } from './http.js';

/** A fault of one call. `lost`: the server carries it out, but the response is lost. `down`: it never reaches the server. */
export type Fault =
  | 'lost'
  | 'down'
  | Partial<{
      statusCode: number;
      error: string;
      code: number;
      retryAfter: number;
      html: string;
      data: unknown;
    }>;

interface Login {
  tokens: { session_rd: string; expiresAt: number; replacedAt?: number; refreshKey?: string }[];
}

const TTL = 30 * 60_000;
const GRACE = 60_000;

/**
 * The session half of the reference app's contract, without HTTP and without WeChat, on the test's clock:
 * codes work once, a session is valid for 30 minutes, a replaced one for 60 more seconds, and a late reuse revokes the session.
 */
export class FakeServer {
  readonly url = 'https://api.example.com';
  /** Every call that reached the server, in order. */
  readonly seen: {
    method: string;
    path: string;
    session_rd: string | undefined;
    refreshKey?: string;
    body: HttpCall['body'];
  }[] = [];
  readonly logins: Login[] = [];
  /** The most logins for which the phone waited at one time. */
  mostLoginsAtOnce = 0;
  /** Awaited before a call arrives and before its response is sent. A test sets it to control the order. */
  pause: () => Promise<unknown> = () => Promise.resolve();

  private loginsUnderWay = 0;
  private codes = 0;
  private minted = 0;
  private readonly freshCodes = new Set<string>();
  private readonly faults = new Map<string, Fault[]>();
  private readonly replies = new Map<string, unknown>();

  /** Works as WeChat: returns a code that works once. */
  readonly wxLogin = async (): Promise<{ code: string }> => {
    const code = `code-${++this.codes}`;
    this.freshCodes.add(code);
    return { code };
  };

  /** Makes the next calls of this path fail, one fault each. */
  next(path: string, ...faults: Fault[]): void {
    this.faults.set(path, [...(this.faults.get(path) ?? []), ...faults]);
  }

  /** Sets the response of a path. Other paths return the request and its session. */
  reply(path: string, data: unknown): void {
    this.replies.set(path, data);
  }

  /** Removes all pending faults. */
  recover(): void {
    this.faults.clear();
  }

  /** Revokes every session, as a restart with the in-memory store or a `logout-all` does. */
  endAll(): void {
    this.logins.length = 0;
  }

  count(path: string): number {
    return this.seen.filter((call) => call.path === path).length;
  }

  readonly send: HttpSend = async (call) => {
    const path = new URL(call.url).pathname;
    const settled = path === '/auth/login' ? this.countLogin(call.signal) : () => {};
    try {
      await this.pause();
      const fault = this.faults.get(path)?.shift();
      if (fault === 'down') throw new Error('connection refused');
      const response = this.receive(path, call, fault);
      await this.pause();
      if (fault === 'lost') throw new Error('connection reset');
      return response;
    } finally {
      settled();
    }
  };

  /** A login counts until it has its response or the phone gives it up. */
  private countLogin(signal: AbortSignal | undefined): () => void {
    let underWay = true;
    const settled = (): void => {
      if (underWay) this.loginsUnderWay--;
      underWay = false;
    };
    this.mostLoginsAtOnce = Math.max(this.mostLoginsAtOnce, ++this.loginsUnderWay);
    signal?.addEventListener('abort', settled);
    return settled;
  }

  private receive(path: string, call: HttpCall, fault: Fault | undefined): HttpReply {
    const session_rd = call.header['Authorization']?.replace(/^Bearer /, '');
    const refreshKey = call.header['Idempotency-Key'];
    this.seen.push({ method: call.method, path, session_rd, refreshKey, body: call.body });
    if (typeof fault === 'object') return faulty(fault);
    if (path === '/auth/login') return this.login(call, session_rd);
    const token = this.find(session_rd);
    if (path === '/auth/refresh') return this.refresh(session_rd, refreshKey);
    if (!token) return unauthorized();
    if (path === '/auth/logout') return this.logout(session_rd);
    const isFile = call.method === 'GET' && /^\/recordings\/.*\/content$/.test(path);
    if (path === '/qrcodes' || isFile)
      return { statusCode: 200, header: {}, bytes: new Uint8Array([1, 2, 3]) };
    return json(200, {
      code: 200,
      msg: 'ok',
      success: true,
      data: this.replies.get(path) ?? { path, by: session_rd, sent: sentBy(call) },
    });
  }

  private login(call: HttpCall, replaces: string | undefined): HttpReply {
    const { code }: { code: string } = JSON.parse(typeof call.body === 'string' ? call.body : '{}');
    if (!this.freshCodes.delete(code)) return failure(401, 40029, 'ERR_WECHAT_CODE');
    this.endLoginOf(replaces);
    const login: Login = { tokens: [] };
    this.logins.push(login);
    return json(200, {
      code: 200,
      msg: 'ok',
      success: true,
      data: { ...this.mint(login), isNewUser: false, user: { id: 'u1' } },
    });
  }

  /** Returns the successor for the current token, and for a retry with the same key within the grace time. Any other refresh is reuse. */
  private refresh(session_rd: string | undefined, refreshKey: string | undefined): HttpReply {
    const login = this.loginOf(session_rd);
    const token = login?.tokens.find((each) => each.session_rd === session_rd);
    if (!login || !token || token.expiresAt <= Date.now()) return unauthorized();
    if (token.replacedAt === undefined) {
      token.replacedAt = Date.now();
      token.refreshKey = refreshKey;
      return json(200, { code: 200, msg: 'ok', success: true, data: this.mint(login) });
    }
    const successor = login.tokens.at(-1);
    const isRetry = login.tokens.at(-2) === token && token.refreshKey === refreshKey;
    if (token.replacedAt + GRACE < Date.now() || !isRetry || !successor) {
      this.endLoginOf(session_rd);
      return unauthorized();
    }
    return json(200, {
      code: 200,
      msg: 'ok',
      success: true,
      data: {
        session_rd: successor.session_rd,
        expiresIn: Math.ceil((successor.expiresAt - Date.now()) / 1000),
      },
    });
  }

  private logout(session_rd: string | undefined): HttpReply {
    this.endLoginOf(session_rd);
    return json(200, { code: 200, msg: 'ok', success: true, data: null });
  }

  private mint(login: Login): { session_rd: string; expiresIn: number } {
    const session_rd = `rd-${++this.minted}`;
    login.tokens.push({ session_rd, expiresAt: Date.now() + TTL });
    return { session_rd, expiresIn: TTL / 1000 };
  }

  private find(session_rd: string | undefined): object | undefined {
    const token = this.loginOf(session_rd)?.tokens.find((each) => each.session_rd === session_rd);
    const dead =
      !token ||
      token.expiresAt <= Date.now() ||
      (token.replacedAt !== undefined && token.replacedAt + GRACE < Date.now());
    return dead ? undefined : token;
  }

  private loginOf(session_rd: string | undefined): Login | undefined {
    return this.logins.find((login) =>
      login.tokens.some((token) => token.session_rd === session_rd),
    );
  }

  private endLoginOf(session_rd: string | undefined): void {
    const login = this.loginOf(session_rd);
    if (login) this.logins.splice(this.logins.indexOf(login), 1);
  }
}

function sentBy(call: HttpCall): unknown {
  if (typeof call.body === 'string') return JSON.parse(call.body);
  const upload: UploadBody | undefined = call.body;
  return (
    upload && {
      name: upload.name,
      fileName: upload.fileName,
      size: upload.bytes.length,
      fields: upload.fields,
    }
  );
}

function faulty(fault: Exclude<Fault, string>): HttpReply {
  const header: Record<string, string> =
    fault.retryAfter === undefined ? {} : { 'Retry-After': String(fault.retryAfter) };
  if (fault.html)
    return { statusCode: fault.statusCode ?? 200, header, bytes: bytesOf(fault.html) };
  const statusCode = fault.statusCode ?? 503;
  return {
    ...failure(
      statusCode,
      fault.code ?? statusCode,
      fault.error ?? 'ERR_STORE_UNAVAILABLE',
      fault.data,
    ),
    header,
  };
}

const unauthorized = (): HttpReply => failure(401, 1000, 'ERR_WECHAT_SESSION');

function failure(statusCode: number, code: number, error: string, data: unknown = null): HttpReply {
  return json(statusCode, { code, msg: `failed with ${error}`, data, success: false, error });
}

function json(statusCode: number, body: object): HttpReply {
  return {
    statusCode,
    header: { 'content-type': 'application/json' },
    bytes: bytesOf(JSON.stringify(body)),
  };
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
