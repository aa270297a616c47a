import { inspect } from 'node:util';
import type { Fault, WechatSandbox } from 'nestjs-wechat-sandbox';

/** The kinds of secrets. */
export type Secret =
  | 'appSecret'
  | 'sessionKey'
  | 'accessToken'
  | 'session_rd'
  | 'oauthToken'
  | 'mobileToken'
  | 'phone'
  | 'openid'
  | 'jwtSecret'
  | 'encryptionKey'
  | 'privateKey'
  | 'apiV3Key'
  | 'prepayId'
  | 'aesKey'
  | 'message'
  | 'reply';

/** Unique secrets, each with all encodings in which it could leak. */
export class Canaries {
  private readonly known = new Map<string, { kind: Secret; forms: string[] }>();

  add(kind: Secret, ...values: (string | undefined)[]): void {
    for (const value of values)
      if (value && !this.known.has(value)) this.known.set(value, { kind, forms: formsOf(value) });
  }

  get kinds(): Set<Secret> {
    return new Set([...this.known.values()].map(({ kind }) => kind));
  }

  /** Returns the kinds of secrets in a text or in bytes, without the allowed kinds. */
  in(haystack: string | Buffer, allowed: Secret[] = []): Secret[] {
    const text =
      typeof haystack === 'string'
        ? Buffer.from(haystack).toString('latin1')
        : haystack.toString('latin1');
    const found = [...this.known.values()].filter(
      ({ kind, forms }) => !allowed.includes(kind) && forms.some((form) => text.includes(form)),
    );
    return [...new Set(found.map(({ kind }) => kind))];
  }
}

/** Everything that a log or a debugger would print of a value. */
function printsOf(value: unknown): string[] {
  const prints = [inspect(value, { depth: 20 })];
  try {
    prints.push(JSON.stringify(value) ?? '');
  } catch {
    // JSON refuses a cycle and prints nothing
  }
  return prints;
}

/** The secrets that can be read in the prints of these values, by name. */
export function leaksOf(values: [name: string, value: unknown][], canaries: Canaries): string[] {
  return values.flatMap(([name, value]) =>
    printsOf(value).flatMap((print) => canaries.in(print).map((kind) => `${name}: ${kind}`)),
  );
}

/** Adds the secrets in WeChat's responses before the application gets them. */
export function recordSecrets(wechat: WechatSandbox, canaries: Canaries): void {
  const note = (kind: Secret, ...fields: string[]): Fault => ({
    transform: (response) => {
      canaries.add(kind, ...fields.map((field) => response[field] as string | undefined));
      return response;
    },
  });
  wechat.always('/sns/jscode2session', note('sessionKey', 'session_key'));
  wechat.always('/cgi-bin/stable_token', note('accessToken', 'access_token'));
  for (const path of ['/sns/oauth2/access_token', '/sns/oauth2/refresh_token'])
    wechat.always(path, note('oauthToken', 'access_token', 'refresh_token'));
  for (const { secret } of wechat.apps) canaries.add('appSecret', secret);
}

function formsOf(value: string): string[] {
  const [bytes, decoded] = [Buffer.from(value), Buffer.from(value, 'base64')];
  const looksBase64 =
    decoded.length >= 12 &&
    decoded.toString('base64').replaceAll('=', '') === value.replaceAll('=', '');
  const forms = [bytes, ...(looksBase64 ? [decoded] : [])].flatMap((each) => [
    each.toString('latin1'),
    each.toString('hex'),
    each.toString('hex').toUpperCase(),
    ...[0, 1, 2].flatMap((offset) => base64Within(each, offset)),
  ]);
  return [...new Set([...forms, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)])];
}

/** Returns these bytes as they appear in base64 and base64url of a longer text. @param offset bytes after a multiple of three */
function base64Within(bytes: Buffer, offset: number): string[] {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replaceAll('=', '');
  const core = text.slice(offset === 0 ? 0 : offset + 1, -1);
  return [core, core.replaceAll('+', '-').replaceAll('/', '_')];
}
