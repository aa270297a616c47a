import { render } from '../vendor/lit-html.js';
import { followNewest } from './diagram.js';
import { page } from './page.js';
import { followTraffic, learnWorld } from './control-api.js';
import { onChange, restorePhones, state, storePhones, update } from './state.js';
import { t } from './texts.js';
import { noteDone } from './tour-steps.js';

const root = document.getElementById('simulator');

function draw() {
  document.documentElement.lang = state.lang === 'zh' ? 'zh-CN' : 'en';
  document.title = t('title');
  render(page(), root);
  followNewest();
}

restorePhones();
await learnWorld();
onChange(draw);
draw();
followTraffic((message) => noteDone(({ done }) => done?.(message)));
window.addEventListener('pagehide', storePhones);
setInterval(update, 1000); // bars shrink and clocks go on
