import { render } from '../vendor/lit-html.js';
import { followContent } from './content.js';
import { followNewest } from './diagram.js';
import { page } from './page.js';
import { followTraffic, loadWorld } from './control-api.js';
import { followMessages } from './messages.js';
import { followOrder } from './shop.js';
import { onChange, restorePhones, state, storePhones, update } from './state.js';
import { t } from './texts.js';
import { markDone } from './tour-steps.js';

const root = document.getElementById('simulator');

function draw() {
  document.documentElement.lang = state.lang === 'zh' ? 'zh-CN' : 'en';
  document.title = t('title');
  render(page(), root);
  followNewest();
}

restorePhones();
await loadWorld();
onChange(draw);
draw();
followTraffic((message) => {
  markDone(({ done }) => done?.(message));
  followContent(message);
  followOrder(message);
  void followMessages(message);
});
window.addEventListener('pagehide', storePhones);
setInterval(update, 1000); // for the progress bars and clocks
