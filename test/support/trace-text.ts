import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

const WIDTH = 44;

/** Formats spans as a tree, as a trace viewer shows them, with durations and errors. */
export function traceText(spans: ReadableSpan[]): string {
  const of = (parent: string | undefined): ReadableSpan[] =>
    spans
      .filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
      .toSorted((a, b) => startOf(a) - startOf(b));
  const draw = (span: ReadableSpan, first: string, rest: string): string[] => {
    const children = of(span.spanContext().spanId);
    const events = span.events.map(
      ({ name, attributes }) =>
        `${rest}${children.length > 0 ? '│' : ' '}  ${name}: ${factsOf(attributes)}`,
    );
    const below = children.flatMap((child, i) =>
      i < children.length - 1
        ? draw(child, `${rest}├─ `, `${rest}│  `)
        : draw(child, `${rest}└─ `, `${rest}   `),
    );
    const took = `${millisecondsOf(span.duration).toFixed(1)} ms`.padStart(10);
    return [
      `${(first + span.name).padEnd(WIDTH)}${took}  ${factsOf(span.attributes)}`.trimEnd(),
      ...events,
      ...below,
    ];
  };
  return of(undefined)
    .flatMap((root) => draw(root, '', ''))
    .join('\n');
}

/** Replaces the values that differ in each run: durations, and the request ids of WeChat. */
export const withoutVariableParts = (text: string): string =>
  text.replace(/ +[\d.]+ ms/g, ' … ms').replace(/rid [0-9a-f-]+/g, 'rid …');

function factsOf(attributes: ReadableSpan['attributes'] = {}): string {
  const fact = (name: string, label: string): string[] =>
    attributes[name] === undefined ? [] : [`${label}${String(attributes[name])}`];
  return [
    ...fact('http.response.status_code', ''),
    ...fact('error.type', ''),
    ...fact('wechat.errcode', 'errcode '),
    ...fact('wechat.rid', 'rid '),
  ].join(', ');
}

const startOf = ({ startTime }: ReadableSpan): number => millisecondsOf(startTime);

const millisecondsOf = ([seconds, nanoseconds]: [number, number]): number =>
  seconds * 1e3 + nanoseconds / 1e6;
