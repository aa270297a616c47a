import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WechatConfigError } from '../wechat.errors.js';
import { wechatPayOptionsFromEnv } from './pay.env.js';
import { ResolvedPayOptions } from './pay.options.js';

type Environment = Record<string, string | undefined>;

const keys = (modulusLength = 2048) =>
  generateKeyPairSync('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
const merchant = keys();
const wechat = keys();
const weak = keys(1024);
const elliptic = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const SERIAL = '1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C';
const URL = 'https://shop.example/wechat/pay/notify';
const CERTIFICATE =
  '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----\n';

const GOOD: Environment = {
  WECHAT_PAY_MCH_ID: '1900000001',
  WECHAT_PAY_PRIVATE_KEY: merchant.privateKey,
  WECHAT_PAY_CERT_SERIAL: SERIAL,
  WECHAT_PAY_API_V3_KEY: 'a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb',
  WECHAT_PAY_PUBLIC_KEY_ID: 'PUB_KEY_ID_0119000000012025010100123400001234',
  WECHAT_PAY_PUBLIC_KEY: wechat.publicKey,
  WECHAT_PAY_NOTIFY_URL: URL,
};

function problemsOf(env: Environment): readonly string[] {
  try {
    wechatPayOptionsFromEnv(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(WechatConfigError);
    return (error as WechatConfigError).problems;
  }
}

describe('wechatPayOptionsFromEnv', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'pay-keys-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is undefined without any WECHAT_PAY_ variable, so that WeChat Pay is off', () => {
    expect(
      wechatPayOptionsFromEnv({ WECHAT_MINI_APP_ID: 'wx', WECHAT_PAY_MCH_ID: ' ' }),
    ).toBeUndefined();
  });

  it('reads a complete set, with line breaks written as \\n', () => {
    expect(problemsOf(GOOD)).toEqual([]);
    const oneLine = merchant.privateKey.replaceAll('\n', '\\n');
    expect(problemsOf({ ...GOOD, WECHAT_PAY_PRIVATE_KEY: oneLine })).toEqual([]);
    expect(problemsOf({ ...GOOD, WECHAT_PAY_CERT_SERIAL: SERIAL.toLowerCase() })).toEqual([]);
  });

  it('reads files, whatever line breaks end them', () => {
    const file = join(folder, 'key.pem');
    writeFileSync(file, `${merchant.privateKey}\n\r\n`);
    const env = { ...GOOD, WECHAT_PAY_PRIVATE_KEY: undefined, WECHAT_PAY_PRIVATE_KEY_FILE: file };
    expect(problemsOf(env)).toEqual([]);
    writeFileSync(file, weak.privateKey);
    expect(problemsOf(env)).toEqual([
      expect.stringMatching(/^WECHAT_PAY_PRIVATE_KEY_FILE must be an RSA/),
    ]);
    expect(problemsOf({ ...env, WECHAT_PAY_PRIVATE_KEY: merchant.privateKey })[0]).toBe(
      'WECHAT_PAY_PRIVATE_KEY and WECHAT_PAY_PRIVATE_KEY_FILE exclude each other: set one of them',
    );
    for (const name of ['PRIVATE_KEY', 'CERT', 'PUBLIC_KEY'])
      expect(
        problemsOf({
          ...GOOD,
          [`WECHAT_PAY_${name}`]: undefined,
          [`WECHAT_PAY_${name}_FILE`]: folder,
        }),
      ).toContain(`WECHAT_PAY_${name}_FILE cannot be read`);
  });

  it('is named as the cause if the module gets no options because no variable is set', () => {
    const options = { ...wechatPayOptionsFromEnv({})! };
    expect(() => new ResolvedPayOptions(options)).toThrow(
      /mchId, privateKey and apiV3Key are missing.*no WECHAT_PAY_ variable is set.*--env-file/,
    );
  });

  it('lists everything that is missing of a part of the set', () => {
    expect(problemsOf({ WECHAT_PAY_TIMEOUT: '5s' })).toEqual([
      'WECHAT_PAY_MCH_ID is required',
      'WECHAT_PAY_PRIVATE_KEY is required, or WECHAT_PAY_PRIVATE_KEY_FILE',
      'WECHAT_PAY_API_V3_KEY is required',
      'WECHAT_PAY_CERT_SERIAL is required, or WECHAT_PAY_CERT',
      'WECHAT_PAY_NOTIFY_URL is required',
    ]);
  });

  const BAD: [string, Environment, RegExp][] = [
    [
      'a short merchant id',
      { WECHAT_PAY_MCH_ID: '1234567' },
      /^WECHAT_PAY_MCH_ID must be 8 to 10 digits/,
    ],
    [
      'a private key that is not RSA',
      { WECHAT_PAY_PRIVATE_KEY: elliptic.privateKey },
      /^WECHAT_PAY_PRIVATE_KEY must be an RSA/,
    ],
    [
      'a private key under 2048 bits',
      { WECHAT_PAY_PRIVATE_KEY: weak.privateKey },
      /^WECHAT_PAY_PRIVATE_KEY must be an RSA/,
    ],
    [
      'a public key as private key',
      { WECHAT_PAY_PRIVATE_KEY: merchant.publicKey },
      /^WECHAT_PAY_PRIVATE_KEY must be an RSA/,
    ],
    [
      'a broken certificate',
      { WECHAT_PAY_CERT: CERTIFICATE, WECHAT_PAY_CERT_SERIAL: undefined },
      /^WECHAT_PAY_CERT is not a certificate/,
    ],
    [
      'a serial that is not 40 hex',
      { WECHAT_PAY_CERT_SERIAL: 'ABC' },
      /^WECHAT_PAY_CERT_SERIAL must be 40 hexadecimal/,
    ],
    [
      'an APIv3 key of 31 bytes',
      { WECHAT_PAY_API_V3_KEY: 'x'.repeat(31) },
      /^WECHAT_PAY_API_V3_KEY must have 32 bytes/,
    ],
    [
      'a public key without its id',
      { WECHAT_PAY_PUBLIC_KEY_ID: undefined },
      /^WECHAT_PAY_PUBLIC_KEY_ID is required/,
    ],
    [
      'an id without a public key',
      { WECHAT_PAY_PUBLIC_KEY: undefined },
      /^WECHAT_PAY_PUBLIC_KEY is required/,
    ],
    [
      'an id without PUB_KEY_ID_',
      { WECHAT_PAY_PUBLIC_KEY_ID: '0119' },
      /^WECHAT_PAY_PUBLIC_KEY_ID must begin with PUB_KEY_ID_/,
    ],
    [
      'a private key as public key',
      { WECHAT_PAY_PUBLIC_KEY: merchant.privateKey },
      /^WECHAT_PAY_PUBLIC_KEY holds a private key/,
    ],
    [
      'a certificate as public key',
      { WECHAT_PAY_PUBLIC_KEY: CERTIFICATE },
      /^WECHAT_PAY_PUBLIC_KEY holds a certificate/,
    ],
    [
      "the merchant's own public key",
      { WECHAT_PAY_PUBLIC_KEY: merchant.publicKey },
      /^WECHAT_PAY_PUBLIC_KEY is the merchant's own public key/,
    ],
    [
      'a weak public key',
      { WECHAT_PAY_PUBLIC_KEY: weak.publicKey },
      /^WECHAT_PAY_PUBLIC_KEY must be an RSA public key/,
    ],
    [
      'an unknown mode of certificates',
      { WECHAT_PAY_PLATFORM_CERTIFICATES: 'yes' },
      /^WECHAT_PAY_PLATFORM_CERTIFICATES must be one of/,
    ],
    [
      'no key that verifies',
      {
        WECHAT_PAY_PUBLIC_KEY: undefined,
        WECHAT_PAY_PUBLIC_KEY_ID: undefined,
        WECHAT_PAY_PLATFORM_CERTIFICATES: 'off',
      },
      /^WECHAT_PAY_PUBLIC_KEY is needed/,
    ],
    [
      'a notify URL with a query',
      { WECHAT_PAY_NOTIFY_URL: `${URL}?a=1` },
      /^WECHAT_PAY_NOTIFY_URL must be an https URL/,
    ],
    [
      'a notify URL without a path',
      { WECHAT_PAY_NOTIFY_URL: 'https://shop.example/' },
      /^WECHAT_PAY_NOTIFY_URL must be/,
    ],
    [
      'a notify URL with http',
      { WECHAT_PAY_NOTIFY_URL: 'http://shop.example/n' },
      /^WECHAT_PAY_NOTIFY_URL must be/,
    ],
    [
      'a notify URL over 255 characters',
      { WECHAT_PAY_NOTIFY_URL: `https://shop.example/${'n'.repeat(255)}` },
      /^WECHAT_PAY_NOTIFY_URL must be/,
    ],
    [
      'a notify path without a slash',
      { WECHAT_PAY_NOTIFY_PATH: 'notify' },
      /^WECHAT_PAY_NOTIFY_PATH must be a path/,
    ],
    [
      'a base URL with http',
      { WECHAT_PAY_BASE_URL: 'http://pay.example' },
      /^WECHAT_PAY_BASE_URL must be an https URL/,
    ],
    [
      'a timeout that is no duration',
      { WECHAT_PAY_TIMEOUT: 'soon' },
      /^WECHAT_PAY_TIMEOUT is not a duration/,
    ],
  ];

  it.each(BAD)('refuses %s', (_, change, problem) => {
    expect(problemsOf({ ...GOOD, ...change })).toEqual([expect.stringMatching(problem)]);
  });

  it('accepts http for this machine only, and a base URL with a final slash', () => {
    expect(
      problemsOf({
        ...GOOD,
        WECHAT_PAY_NOTIFY_URL: 'http://127.0.0.1:3000/n',
        WECHAT_PAY_BASE_URL: 'http://localhost:3001/',
      }),
    ).toEqual([]);
  });

  it('reports all problems at once, and prints no value', () => {
    const env: Environment = {
      ...GOOD,
      WECHAT_PAY_MCH_ID: 'canary-merchant',
      WECHAT_PAY_PRIVATE_KEY: 'canary-private',
      WECHAT_PAY_CERT_SERIAL: 'canary-serial',
      WECHAT_PAY_API_V3_KEY: 'canary-v3',
      WECHAT_PAY_PUBLIC_KEY_ID: 'canary-id',
      WECHAT_PAY_PUBLIC_KEY: 'canary-public',
      WECHAT_PAY_NOTIFY_URL: 'canary-url',
      WECHAT_PAY_NOTIFY_PATH: 'canary-path',
      WECHAT_PAY_BASE_URL: 'canary-base',
      WECHAT_PAY_TIMEOUT: 'canary-timeout',
      WECHAT_PAY_PLATFORM_CERTIFICATES: 'canary-mode',
    };
    const problems = problemsOf(env);
    expect(problems).toHaveLength(11);
    expect(problems.join('\n')).not.toContain('canary');
  });
});
