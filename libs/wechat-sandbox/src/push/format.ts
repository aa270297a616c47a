import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { isObject, parseObject } from '../transport/request.js';
import type { PushConfig, PushContent } from '../world/push.js';

type Format = PushConfig['format'];

/** Writes a message as WeChat does. In XML, the list of a subscribe event has an element around it. */
export function write(format: Format, message: PushContent): Buffer {
  if (format === 'json') return Buffer.from(toJson(message));
  const { List, ...rest } = message;
  const wrapper = wrapperOf(message['Event']);
  const content = List !== undefined && wrapper ? { ...rest, [wrapper]: { List } } : message;
  return Buffer.from(`<xml>${elements(content)}</xml>`);
}

/** Reads a message in the format that it has. Returns undefined if it is neither an XML element nor a JSON object. */
export function read(body: string): Record<string, unknown> | undefined {
  if (!body.trimStart().startsWith('<')) return parseObject(body);
  try {
    const { root } = parseXml(body);
    const value = root && valueOf(root);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Like JSON.stringify, with every bigint as a number. */
function toJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${toJson(field)}`).join(',')}}`;
}

/** `subscribe_msg_popup_event` has its list in `SubscribeMsgPopupEvent`. */
function wrapperOf(event: unknown): string | undefined {
  if (typeof event !== 'string' || !event.startsWith('subscribe_msg_')) return undefined;
  return event.replace(/(?:^|_)(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

function elements(content: object): string {
  return Object.entries(content)
    .flatMap(([name, value]) => [value].flat().map((one) => element(name, one)))
    .join('');
}

function element(name: string, value: unknown): string {
  if (value === undefined) return '';
  if (isObject(value)) return `<${name}>${elements(value)}</${name}>`;
  if (typeof value !== 'string') return `<${name}>${toJson(value)}</${name}>`;
  return `<${name}><![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]></${name}>`;
}

function valueOf(parent: XmlElement): unknown {
  const children = parent.children.filter((child) => child instanceof XmlElement);
  if (children.length === 0) return parent.text;
  const values = new Map<string, unknown[]>();
  for (const child of children)
    values.set(child.name, [...(values.get(child.name) ?? []), valueOf(child)]);
  return Object.fromEntries(
    [...values].map(([name, list]) => [name, list.length === 1 ? list[0] : list]),
  );
}
