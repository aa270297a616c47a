import DefaultTheme from 'vitepress/theme-without-fonts';
import type { Theme } from 'vitepress';
import './style.css';

export default {
  extends: DefaultTheme,
  enhanceApp({ router }) {
    // The reference is in English only, but the menu of languages looks for each page below /zh/.
    router.onBeforeRouteChange = (to) => {
      const english = to.replace(/\/zh\/api\//, '/api/');
      if (english === to) return true;
      void router.go(english);
      return false;
    };
  },
} satisfies Theme;
