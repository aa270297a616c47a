import { readFileSync } from 'node:fs';
import type { Duration } from '../duration.js';
import { WechatConfigError } from '../wechat.errors.js';
import { ResolvedPayOptions, withHiddenPaySecrets } from './pay.options.js';
import type { WechatPayOptions } from './pay.options.js';

/** Variables that may name a file instead: `WECHAT_PAY_PRIVATE_KEY_FILE`. */
const WITH_FILE = ['WECHAT_PAY_PRIVATE_KEY', 'WECHAT_PAY_CERT', 'WECHAT_PAY_PUBLIC_KEY'];

/** The variable of each option, so that a problem names what the operator can change. */
const VARIABLES: Record<string, string> = {
  mchId: 'WECHAT_PAY_MCH_ID',
  privateKey: 'WECHAT_PAY_PRIVATE_KEY',
  certificate: 'WECHAT_PAY_CERT',
  certificateSerial: 'WECHAT_PAY_CERT_SERIAL',
  apiV3Key: 'WECHAT_PAY_API_V3_KEY',
  publicKeys: 'WECHAT_PAY_PUBLIC_KEY',
  'publicKeys[0].id': 'WECHAT_PAY_PUBLIC_KEY_ID',
  'publicKeys[0].pem': 'WECHAT_PAY_PUBLIC_KEY',
  platformCertificates: 'WECHAT_PAY_PLATFORM_CERTIFICATES',
  'notify.url': 'WECHAT_PAY_NOTIFY_URL',
  'notify.path': 'WECHAT_PAY_NOTIFY_PATH',
  'api.baseUrl': 'WECHAT_PAY_BASE_URL',
  'api.timeout': 'WECHAT_PAY_TIMEOUT',
};

/**
 * Reads the options of WechatPayModule from `WECHAT_PAY_*`. It is the only reader of these variables.
 *
 * @experimental
 * @param env usually `process.env`
 * @returns the options, or `undefined` if no `WECHAT_PAY_*` variable is set: WeChat Pay is off then
 * @throws WechatConfigError with every problem at once; it names variables and never a value
 * @example
 * ```ts
 * WechatPayModule.forRootAsync({ useFactory: () => wechatPayOptionsFromEnv(process.env) ?? payIsRequired() })
 * ```
 */
export function wechatPayOptionsFromEnv(
  env: Record<string, string | undefined>,
): WechatPayOptions | undefined {
  const isOn = Object.keys(env).some(
    (name) => name.startsWith('WECHAT_PAY_') && present(env[name]),
  );
  if (!isOn) return undefined;
  const problems = new VariableProblems();
  const get = (name: string): string | undefined =>
    WITH_FILE.includes(name) ? readPem(env, name, problems) : present(env[name]);
  const required = (name: string, alternative?: string): string => {
    const or = alternative ?? (WITH_FILE.includes(name) ? `${name}_FILE` : undefined);
    const value = get(name);
    if (value === undefined) problems.add(name, `is required${or ? `, or ${or}` : ''}`);
    return value ?? '';
  };

  const certificate = get('WECHAT_PAY_CERT');
  const publicKeyId = get('WECHAT_PAY_PUBLIC_KEY_ID');
  const publicKey = get('WECHAT_PAY_PUBLIC_KEY');
  const hasPublicKey = publicKeyId !== undefined || publicKey !== undefined;
  const options: WechatPayOptions = {
    mchId: required('WECHAT_PAY_MCH_ID'),
    privateKey: required('WECHAT_PAY_PRIVATE_KEY'),
    apiV3Key: required('WECHAT_PAY_API_V3_KEY'),
    certificate,
    certificateSerial:
      certificate === undefined
        ? required('WECHAT_PAY_CERT_SERIAL', 'WECHAT_PAY_CERT')
        : get('WECHAT_PAY_CERT_SERIAL'),
    ...(hasPublicKey && {
      publicKeys: [
        { id: required('WECHAT_PAY_PUBLIC_KEY_ID'), pem: required('WECHAT_PAY_PUBLIC_KEY') },
      ],
    }),
    platformCertificates: get('WECHAT_PAY_PLATFORM_CERTIFICATES') as 'download' | 'off' | undefined,
    notify: { url: required('WECHAT_PAY_NOTIFY_URL'), path: get('WECHAT_PAY_NOTIFY_PATH') },
    api: {
      baseUrl: get('WECHAT_PAY_BASE_URL'),
      timeout: get('WECHAT_PAY_TIMEOUT') as Duration | undefined,
    },
  };
  try {
    new ResolvedPayOptions(options, (option) => variableOf(env, option));
  } catch (error) {
    if (!(error instanceof WechatConfigError)) throw error;
    for (const problem of error.problems) problems.addSentence(problem);
  }
  problems.throwIfAny();
  return withHiddenPaySecrets(options);
}

/** The variable of an option: the one of the file, if the value comes from a file. */
function variableOf(env: Record<string, string | undefined>, option: string): string {
  const name = VARIABLES[option] ?? option;
  return WITH_FILE.includes(name) && present(env[`${name}_FILE`]) ? `${name}_FILE` : name;
}

/** The first problem of each variable: a missing value is not also a wrong one. */
class VariableProblems {
  private readonly sentences = new Map<string, string>();

  add(variable: string, problem: string, subject = variable): void {
    if (!this.sentences.has(variable)) this.sentences.set(variable, `${subject} ${problem}`);
  }

  /** @param sentence begins with the variable */
  addSentence(sentence: string): void {
    const [subject = '', ...rest] = sentence.split(' ');
    this.add(subject.replace(/_FILE$/, ''), rest.join(' '), subject);
  }

  throwIfAny(): void {
    if (this.sentences.size > 0) throw new WechatConfigError([...this.sentences.values()]);
  }
}

function readPem(
  env: Record<string, string | undefined>,
  name: string,
  problems: VariableProblems,
): string | undefined {
  const value = present(env[name]);
  const file = present(env[`${name}_FILE`]);
  if (value !== undefined && file !== undefined)
    problems.add(name, `and ${name}_FILE exclude each other: set one of them`);
  if (value !== undefined) return value.replaceAll('\\n', '\n');
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    problems.add(name, 'cannot be read', `${name}_FILE`);
    return undefined;
  }
}

/** An empty variable counts as absent, as in a `.env` file copied from the example. */
function present(value: string | undefined): string | undefined {
  return value?.trim() ? value.trim() : undefined;
}
