import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import type { DefaultTheme, PageData } from 'vitepress';
import { homeOf } from '../home.js';
import { writeLlms } from '../llms.js';
import { markdownOptions } from '../markdown.js';
import {
  addressOf,
  englishOf,
  isChinese,
  isReference,
  PAGES,
  read,
  ROOT,
  sectionsOf,
} from '../pages.js';
import { CHINESE, SEARCH } from '../search.js';

const { version, description } = JSON.parse(read('libs/wechat/package.json'));
/** The public repository, if package.json names it: `"repository": "https://…"`. Without it the site has no links to it. */
const { repository } = JSON.parse(read('package.json')) as { repository?: string };
/** The path of the site on its server, for example `/nestjs-wechat/`. */
const base = process.env['DOCS_BASE'] ?? '/';

const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#07c160"/><path d="M7 8h18v12H16l-5 5v-5H7z" fill="#fff"/></svg>',
)}`;

const linkTo = (page: string): string => `/${addressOf(page)}`;

const sidebarOf = (index: string): DefaultTheme.SidebarItem[] =>
  sectionsOf(index).map(({ title, pages }) => ({
    text: title,
    items: pages.map((page) => ({ text: page.title, link: linkTo(page.source) })),
  }));

const reference = PAGES.filter(isReference)
  .filter((page) => page !== 'docs/api/README.md')
  .map((page) => ({ text: entryOf(page), link: linkTo(page) }));

function entryOf(page: string): string {
  const name = page.replace(/^docs\/api\/|\.md$/g, '');
  return name === 'index' ? 'nestjs-wechat' : `nestjs-wechat/${name}`;
}

const navOf = (language: 'en' | 'zh'): DefaultTheme.NavItem[] => {
  const [start, manual, overview, api] =
    language === 'en'
      ? ['Getting started', 'Manual', 'All pages', 'API']
      : ['快速上手', '手册', '全部文档', 'API'];
  const prefix = language === 'en' ? '' : '/zh';
  return [
    { text: start, link: `${prefix}/getting-started` },
    { text: manual, link: `${prefix}/manual` },
    { text: api, link: '/api/', activeMatch: '^/api/' },
    { text: overview, link: `${prefix}/overview` },
    {
      text: `v${version}`,
      items: [
        { text: 'llms.txt', link: '/llms.txt', target: '_blank' },
        { text: 'llms-full.txt', link: '/llms-full.txt', target: '_blank' },
      ],
    },
  ];
};

const editLinkOf = (text: string): Pick<DefaultTheme.Config, 'editLink'> =>
  repository === undefined ? {} : { editLink: { pattern: `${repository}/edit/main/:path`, text } };

export default defineConfig({
  base,
  title: 'nestjs-wechat',
  description,
  srcDir: ROOT,
  outDir: join(ROOT, 'var/site'),
  cacheDir: join(ROOT, 'var/site-cache'),
  srcExclude: [
    '{apps,coverage,dist,etc,examples,site,test,tools,var}/**',
    'libs/*/*/**',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
  ],
  rewrites: Object.fromEntries(PAGES.map((page) => [page, addressOf(page)])),
  lastUpdated: false,
  head: [
    ['meta', { name: 'theme-color', content: '#07c160' }],
    ['link', { rel: 'icon', href: ICON }],
  ],
  markdown: markdownOptions(repository),
  transformPageData,
  buildEnd: ({ outDir }) => writeLlms(outDir, description),
  vite: { optimizeDeps: { entries: [] } }, // not the HTML files of the repository
  themeConfig: { logo: ICON, search: SEARCH },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      themeConfig: {
        nav: navOf('en'),
        sidebar: {
          '/api/': [{ text: 'API reference', items: reference }, ...sidebarOf('docs/README.md')],
          '/': sidebarOf('docs/README.md'),
        },
        outline: [2, 3],
        ...editLinkOf('Edit this page'),
      },
    },
    [CHINESE]: {
      label: '简体中文',
      link: '/zh/',
      lang: 'zh-CN',
      themeConfig: {
        nav: navOf('zh'),
        sidebar: sidebarOf('docs/zh-CN/README.md'),
        outline: { level: [2, 3], label: '本页目录' },
        docFooter: { prev: '上一页', next: '下一页' },
        darkModeSwitchLabel: '外观',
        lightModeSwitchTitle: '切换到浅色模式',
        darkModeSwitchTitle: '切换到深色模式',
        sidebarMenuLabel: '目录',
        returnToTopLabel: '回到顶部',
        langMenuLabel: '切换语言',
        skipToContentLabel: '跳到正文',
        notFound: {
          title: '页面不存在',
          quote: '这个地址没有页面。',
          linkLabel: '回到首页',
          linkText: '回到首页',
        },
        ...editLinkOf('编辑本页'),
      },
    },
  },
});

function transformPageData({ filePath }: PageData): Partial<PageData> | undefined {
  if (englishOf(filePath) !== 'README.md') return undefined;
  return homeOf(filePath, isChinese(filePath) ? 'zh' : 'en');
}
