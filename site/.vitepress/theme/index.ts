import { useData } from 'vitepress';
import type { Theme } from 'vitepress';
import DefaultTheme from 'vitepress/theme-without-fonts';
import { nextTick, onMounted, watch } from 'vue';
import './style.css';

/** The other layouts of the theme have a <main>. */
const markHome = (): void => document.querySelector('.VPHome')?.setAttribute('role', 'main');

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
  setup() {
    const { page } = useData();
    onMounted(markHome);
    watch(page, () => nextTick(markHome));
  },
} satisfies Theme;
