import { slugOf } from '../../site/pages.js';

/** A fenced block of code. */
export interface Block {
  language: string;
  code: string;
  /** Line of the opening fence. */
  line: number;
  /** `path#region` of an HTML comment `<!-- source: path#region -->` right before the block. */
  source?: string;
}

const FENCE = /^(?:<!-- source: (\S+) -->\n)?```(\w*)\n(.*?)\n?```$/gms;

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map(
    ({ 1: source, 2: language = '', 3: code = '', index }) => ({
      language,
      code,
      line: markdown.slice(0, index).split('\n').length + (source ? 1 : 0),
      source,
    }),
  );
}

/** The document with each quoted block replaced by the region that it names. */
export function withCurrentSources(markdown: string, read: (path: string) => string): string {
  return markdown.replace(FENCE, (block, source: string | undefined, language: string) => {
    if (source === undefined) return block;
    const [file = '', region] = source.split('#');
    const fence = '```';
    return `<!-- source: ${source} -->\n${fence}${language}\n${regionOf(read(file), region)}\n${fence}`;
  });
}

/** The text without blocks of code, code in a line, and comments. */
export function proseOf(markdown: string): string {
  return markdown.replace(FENCE, '').replace(/<!--.*?-->|`[^`\n]*`/gs, '');
}

export function headingsOf(markdown: string): { level: number; text: string }[] {
  return [...markdown.replace(FENCE, '').matchAll(/^(#{1,6}) (.+)$/gm)].map(
    ([, marks = '', text = '']) => ({ level: marks.length, text }),
  );
}

/** Anchors as GitHub makes them. */
export function slugsOf(markdown: string): string[] {
  return headingsOf(markdown).map(({ text }) => slugOf(text));
}

export function linesOfTables(markdown: string): string[] {
  return markdown
    .replace(FENCE, '')
    .split('\n')
    .filter((line) => line.startsWith('|'));
}

/** Returns the text between `// #region name` and its end, without markers and common indentation. Without a name, returns the whole file. */
export function regionOf(source: string, name?: string): string {
  const lines = source.trimEnd().split('\n');
  const isMarker = (line: string): boolean => /^\s*(\/\/|#) #(end)?region\b/.test(line);
  const start =
    name === undefined ? -1 : lines.findIndex((line) => line.trim().endsWith(`#region ${name}`));
  const end =
    name === undefined
      ? lines.length
      : lines.findIndex((line) => line.trim().endsWith(`#endregion ${name}`));
  if (name !== undefined && (start < 0 || end < 0)) throw new Error(`There is no region ${name}.`);
  const inside = lines.slice(start + 1, end).filter((line) => !isMarker(line));
  const indentation = Math.min(
    ...inside.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)),
  );
  return inside.map((line) => line.slice(indentation)).join('\n');
}
