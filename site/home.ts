import type { PageData } from 'vitepress';
import { read } from './pages.js';

const TEXTS = {
  en: {
    tagline: 'WeChat for NestJS',
    start: 'Getting started',
    manual: 'Manual',
    prefix: '',
  },
  zh: {
    tagline: 'NestJS 的微信库',
    start: '快速上手',
    manual: '手册',
    prefix: '/zh',
  },
};

const LINK = /\[[^\]]+\]\([^)]+\)/g;
const withCode = (text: string): string => text.replace(/`([^`]+)`/g, '<code>$1</code>');

/** The home page: the first paragraph of the README is the hero, and its list are the features. */
export function homeOf(readme: string, language: keyof typeof TEXTS): Partial<PageData> {
  const { tagline, start, manual, prefix } = TEXTS[language];
  const text = read(readme);
  const [, title = '', about = ''] = /^# ([^\n]+)\n\n(.+?)\n\n/s.exec(text) ?? [];
  const actions = [
    { theme: 'brand', text: start, link: `${prefix}/getting-started` },
    { theme: 'alt', text: manual, link: `${prefix}/manual` },
  ];
  const features = [...text.matchAll(/^- \*\*(.+?)[.。]\*\* (.+)$/gm)].map(
    ([, name = '', details = '']) => ({ title: withCode(name), details: withCode(details) }),
  );
  return {
    title,
    titleTemplate: tagline,
    frontmatter: {
      layout: 'home',
      hero: {
        name: title,
        text: tagline,
        tagline: about.replace(LINK, '').replaceAll('\n', ' '),
        actions,
      },
      features,
    },
  };
}
