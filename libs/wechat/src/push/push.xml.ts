import type { parseXml, XmlElement } from '@rgrove/parse-xml';
import { WechatBadRequestError, WechatConfigError } from '../wechat.errors.js';
import { requireXmlParser } from './xml-parser.cjs';

/** The root element is level 1. */
export const MAX_DEPTH = 16;

type Parser = typeof parseXml;
let parser: Parser | undefined;

/** The parser is loaded at the first XML push, so that applications without XML need no parser. */
function loadParser(): Parser {
  const library = requireXmlParser();
  if (library) return library.parseXml;
  throw new WechatConfigError([
    'WeChat pushes XML, and the package that reads it is not installed. Run: npm install @rgrove/parse-xml. Or set 数据格式 to JSON in the console',
  ]);
}

/**
 * Reads the elements of a document as an object: repeated elements are arrays, and elements without children are texts.
 *
 * @throws WechatBadRequestError if it is not well-formed, has a document type, an unknown entity or more than 16 levels
 */
export function readXml(text: string): Record<string, unknown> {
  const parse = (parser ??= loadParser());
  const document = parsed(() => parse(text, { preserveDocumentType: true }));
  const { root } = document;
  if (!root || document.children.some(({ type }) => type === 'doctype'))
    throw new WechatBadRequestError('the XML of the push has a document type');
  const value = valueOf(root, 1);
  return typeof value === 'object' ? value : {};
}

/** The parser recurses, so deep nesting can exceed the stack. That is bad input, too. */
function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new WechatBadRequestError('the push is not well-formed XML');
  }
}

function valueOf(element: XmlElement, depth: number): string | Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new WechatBadRequestError('the push has more than 16 levels');
  let fields: Record<string, unknown> | undefined;
  for (const child of element.children) {
    if (child.type !== 'element') continue;
    fields ??= {};
    add(fields, (child as XmlElement).name, valueOf(child as XmlElement, depth + 1));
  }
  return fields ?? element.text;
}

function add(fields: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') throw new WechatBadRequestError('the push has a field __proto__');
  const before = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (before === undefined) fields[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else fields[name] = [before, value];
}

/**
 * Writes an object as WeChat does: texts as CDATA, an array as a repeated element.
 *
 * @param fields of JSON, so without functions, dates and cycles
 * @throws TypeError if a name is not the name of an XML element
 */
export function writeXml(fields: object): string {
  return `<xml>${elementsOf(fields)}</xml>`;
}

const NAME = /^[A-Za-z_][\w.-]*$/;
/** XML 1.0 has no way to write these, not even as a reference. */
const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

function elementsOf(fields: object): string {
  return Object.entries(fields)
    .flatMap(([name, value]) => [value as unknown].flat().map((one) => elementOf(name, one)))
    .join('');
}

function elementOf(name: string, value: unknown): string {
  if (!NAME.test(name))
    throw new TypeError('a name in the reply is not the name of an XML element');
  return value === null ? '' : `<${name}>${contentOf(value)}</${name}>`;
}

function contentOf(value: unknown): string {
  if (typeof value === 'object' && value !== null) return elementsOf(value);
  if (typeof value !== 'string') return String(value);
  return `<![CDATA[${value.replace(FORBIDDEN, '').replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;
}
