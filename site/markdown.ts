import { renderMermaidSVG } from 'beautiful-mermaid';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { MarkdownOptions } from 'vitepress';
import { addressOf, englishOf, PAGES, ROOT, slugOf, targetOf } from './pages.js';

/*
 * Makes pages of the site from Markdown that is written for the repository: links between files become links between pages, and
 * diagrams become pictures.
 */

type Parser = Parameters<NonNullable<MarkdownOptions['config']>>[0];
type State = Parameters<Parameters<Parser['core']['ruler']['push']>[1]>[0];
type Token = State['tokens'][number];

/** @param repository the URL of the public repository, if there is one */
export function markdownOptions(repository: string | undefined): MarkdownOptions {
  return {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: slugOf },
    attrs: { disable: true }, // braces are text
    config: (md) => {
      md.core.ruler.push('home', shortenHome);
      md.core.ruler.push('links', (state) => linkPages(state, repository));
      md.core.ruler.push('tasks', showTasks);
      md.core.ruler.push('literals', keepBraces);
      md.core.ruler.push('chinese', joinChineseLines);
      drawDiagrams(md);
    },
  };
}

const sourceOf = ({ env }: State): string => relative(ROOT, env.realPath ?? env.path);

/** The hero of the home page shows the beginning of the README, so only the picture of it stays. */
function shortenHome(state: State): void {
  if (englishOf(sourceOf(state)) !== 'README.md') return;
  const { tokens } = state;
  const start = tokens.findIndex(({ type, tag }) => type === 'heading_open' && tag === 'h2');
  const picture = tokens.findIndex(({ children }) => children?.[0]?.type === 'image');
  state.tokens = [...tokens.slice(picture - 1, picture + 2), ...tokens.slice(start)];
}

/** A link to a file that is not a page leads to the public repository. Without one it becomes plain text. */
function linkPages(state: State, repository: string | undefined): void {
  const page = sourceOf(state);
  for (const token of state.tokens.flatMap((block) => [block, ...(block.children ?? [])]))
    if (token.type.startsWith('html_'))
      token.content = token.content.replace(/ src="(?!\w+:|[./])/g, ' src="./');
  for (const token of state.tokens.flatMap(({ children }) => children ?? [])) {
    const href = token.type === 'link_open' ? String(token.attrGet('href')) : '';
    if (href === '' || /^(#|[a-z]+:)/.test(href)) continue;
    const [path = '', anchor] = href.split('#');
    const target = targetOf(page, decodeURIComponent(path));
    if (!existsSync(join(ROOT, target))) throw new Error(`${page}: ${href} leads nowhere.`);
    if (PAGES.includes(target))
      token.attrSet('href', `/${addressOf(target)}${anchor === undefined ? '' : `#${anchor}`}`);
    else if (repository !== undefined) token.attrSet('href', `${repository}/blob/main/${target}`);
    else makeSpan(token, state);
  }
}

function makeSpan(open: Token, state: State): void {
  const siblings = state.tokens.find(({ children }) => children?.includes(open))?.children ?? [];
  const close = siblings.slice(siblings.indexOf(open)).find(({ type }) => type === 'link_close');
  for (const token of [open, close]) if (token) token.tag = 'span';
  open.attrs = null;
}

/** `- [ ]` is a box on GitHub. */
function showTasks({ tokens }: State): void {
  for (const { children } of tokens) {
    const [first] = children ?? [];
    if (first?.type === 'text') first.content = first.content.replace(/^\[ \] /, '☐ ');
  }
}

/** Vue would evaluate `{{…}}` in code. */
function keepBraces({ tokens }: State): void {
  for (const token of tokens.flatMap(({ children }) => children ?? []))
    if (token.type === 'code_inline') token.attrSet('v-pre', '');
}

/** A line break in Chinese text is not a space. */
function joinChineseLines({ tokens }: State): void {
  for (const { children } of tokens)
    children?.forEach((token, i) => {
      if (token.type !== 'softbreak' || !CHINESE_END.test(children[i - 1]?.content ?? '')) return;
      token.type = 'text';
      token.content = '';
    });
}

const CHINESE_END = /[\p{Script=Han}，。；：、）”]$/u;

/** One picture for each appearance of the site. A picture cannot load anything, such as the fonts that the diagram names. */
const COLOURS = {
  light: { bg: '#ffffff', fg: '#3c3c43', accent: '#04713a' },
  dark: { bg: '#1b1b1f', fg: '#dfdfd6', accent: '#3ddb83' },
};

function drawDiagrams(md: Parser): void {
  const fence = md.renderer.rules.fence;
  md.renderer.rules.fence = (tokens, index, options, env, self) => {
    const { info = '', content = '' } = tokens[index] ?? {};
    if (info.trim() !== 'mermaid') return fence?.(tokens, index, options, env, self) ?? '';
    const heading = tokens.slice(0, index).findLast((_, i) => tokens[i - 1]?.tag === 'h2');
    return Object.entries(COLOURS)
      .map(([appearance, colours]) => {
        const svg = encodeURIComponent(renderMermaidSVG(content, colours));
        const alt = md.utils.escapeHtml(heading?.content ?? 'diagram');
        return `<img class="diagram ${appearance}-only" alt="${alt}" src="data:image/svg+xml,${svg}">`;
      })
      .join('');
  };
}
