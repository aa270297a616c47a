import type { DefaultTheme } from 'vitepress';

/**
 * The key of the Chinese locale. The search of VitePress 1.6 takes it as a pattern for the file of a page, not for its address, so it matches
 * `/zh/…` (addresses), `docs/zh-CN/…` and `README.zh-CN.md`.
 */
export const CHINESE = 'zh|zh-CN|zh';

/**
 * Splits a text into the terms of the index: words, and each pair of adjacent characters of Chinese text, which has no spaces. Pairs find
 * a word wherever it is, because no dictionary has to know it. This function also runs in the browser, so it uses nothing from outside.
 */
function termsOf(text: string): string[] {
  const words = text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
  const parts = words.flatMap((word) => word.match(/\p{Script=Han}+|\P{Script=Han}+/gu) ?? []);
  return parts.flatMap((part) =>
    /\p{Script=Han}{2}/u.test(part)
      ? Array.from(part).flatMap((character, i, all) =>
          i === 0 ? [] : [`${all[i - 1]}${character}`],
        )
      : [part],
  );
}

type Render = NonNullable<DefaultTheme.LocalSearchOptions['_render']>;

/** Renders a page for the index without the colours of its code. VitePress indexes each page twice, and the colours took a fifth of the time of a build. */
const renderWithoutColours: Render = (source, env, md) => {
  const { highlight } = md.options;
  md.options.highlight = null; // the pages use the same parser, but `render` is synchronous
  try {
    return md.render(source, env);
  } finally {
    md.options.highlight = highlight;
  }
};

/** The search of VitePress. Its index is a file of the site, so it works without a network. */
export const SEARCH: DefaultTheme.Config['search'] = {
  provider: 'local',
  options: {
    _render: renderWithoutColours,
    miniSearch: { options: { tokenize: termsOf } },
    locales: {
      [CHINESE]: {
        translations: {
          button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
          modal: {
            resetButtonTitle: '清除',
            backButtonTitle: '关闭搜索',
            noResultsText: '没有结果：',
            footer: {
              selectText: '选择',
              selectKeyAriaLabel: '回车',
              navigateText: '切换',
              navigateUpKeyAriaLabel: '上箭头',
              navigateDownKeyAriaLabel: '下箭头',
              closeText: '关闭',
              closeKeyAriaLabel: 'Esc',
            },
          },
        },
      },
    },
  },
};
