import { SandboxError } from './sandbox-error.js';

/** A template of subscribe messages in 我的模板 of the console. */
export interface TemplateOptions {
  /** 43 characters at WeChat. The sandbox accepts 1 to 128 letters, digits, `-` and `_`. */
  id: string;
  title: string;
  /** A kind and a number each: `['thing1', 'amount2', 'time3']`. */
  keys: string[];
  /** 2: each consent allows one message. 3: one consent allows any number. @default 2 */
  type?: 2 | 3;
  /** The values of each `enum_string` key. */
  enums?: Record<string, string[]>;
}

/** {@link TemplateOptions} with their defaults. */
export type Template = Required<TemplateOptions>;

const MOST_TEMPLATES = 25;
const KINDS =
  'thing number letter symbol character_string time date amount phone_number car_number name phrase enum_string';
const KEY = new RegExp(`^(${KINDS.replaceAll(' ', '|')})\\d{1,3}$`);

/** Sets the defaults. Throws a SandboxError that names the invalid field. */
export function templatesOf(appId: string, options: readonly TemplateOptions[]): Template[] {
  if (options.length > MOST_TEMPLATES || new Set(options.map(({ id }) => id)).size < options.length)
    throw new SandboxError(
      `${appId} must have at most ${MOST_TEMPLATES} templates, with different ids.`,
    );
  return options.map((template) => withDefaults(template));
}

function withDefaults({ id, title, keys, type = 2, enums = {} }: TemplateOptions): Template {
  const require = (isValid: boolean, problem: string): void => {
    if (!isValid) throw new SandboxError(`The template ${id} ${problem}.`);
  };
  require(/^[\w-]{1,128}$/.test(id), 'must have an id of letters, digits, - and _');
  require(keys.length > 0, 'must have keys');
  require(keys.every((key) => KEY.test(key)), `must have keys of a kind and a number: ${KINDS}`);
  require(type === 2 || type === 3, 'must have type 2 (once) or 3 (long-term)');
  const enumKeys = keys.filter((key) => kindOf(key) === 'enum_string');
  require(enumKeys.every(
    (key) => (enums[key]?.length ?? 0) > 0,
  ), `must have the values of its enums: enums: { ${enumKeys[0]}: ['…'] }`);
  return { id, title, keys, type, enums };
}

/** `thing` of `thing1`. */
export const kindOf = (key: string): string => key.replace(/\d+$/, '');

const CLOCK = String.raw`([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?`;
const DAY = String.raw`(\d{4}年\d{1,2}月(\d{1,2}日)?|\d{1,2}月\d{1,2}日|\d{4}([-/.])\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2})`;
const TIME = `(${DAY} ?)?${CLOCK}`;
const DATE = `${DAY}( ?${CLOCK})?`;
const matches =
  (pattern: string | RegExp) =>
  (value: string): boolean =>
    new RegExp(pattern, 'u').test(value);
const characters = (value: string): number => Array.from(value).length;
const digits = (value: string): number => value.replace(/\D/g, '').length;
const hasHan = matches(/\p{Script=Han}/u);

/** The rule for the values of each kind. A character is a Unicode character, not a byte. */
const RULES: Record<string, (value: string) => boolean> = {
  thing: (value) => characters(value) <= 20,
  number: (value) => matches(/^[+-]?\d+(\.\d+)?$/u)(value) && digits(value) <= 32,
  letter: matches(/^[A-Za-z]{1,32}$/u),
  symbol: matches(/^[^\p{L}\p{N}]{1,5}$/u),
  character_string: (value) => characters(value) <= 32 && !hasHan(value),
  time: matches(`^${TIME}(~${TIME})?$`),
  date: matches(`^${DATE}(~${DATE})?$`),
  amount: matches(/^\p{Sc}?\d{1,10}(\.\d+)?元?$/u),
  phone_number: matches(/^[\d\p{P}\p{S} ]{1,17}$/u),
  car_number: matches(/^[\p{Script=Han}\w]\w{0,6}[\p{Script=Han}\w]?$/u),
  name: (value) => characters(value) <= (hasHan(value) ? 10 : 20),
  phrase: matches(/^\p{Script=Han}{1,5}$/u),
};

/** Returns whether WeChat accepts a value of a template's key. */
export function isTemplateValue({ enums }: Template, key: string, value: string): boolean {
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(value)) return false;
  const rule = RULES[kindOf(key)];
  return rule ? rule(value) : (enums[key] ?? []).includes(value);
}
