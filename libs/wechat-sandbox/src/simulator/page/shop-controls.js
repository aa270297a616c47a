import { html, nothing } from '../vendor/lit-html.js';
import { perform } from './perform.js';
import { sandbox } from './control-api.js';
import { currentPhone, state, update } from './state.js';
import { t } from './texts.js';

/** What "Let time pass" skips: three repeats of a notification, and the settling of a refund. */
const A_WHILE = '1m';

/** The controls of the notifications of WeChat Pay. */
export function shopControls() {
  if (!state.world.hasShop) return nothing;
  return html`<fieldset>
    <legend>${t('notifications')}</legend>
    <div class="row">
      <button @click=${() => perform(() => sandbox.nextDelivery({ drop: true }), 'doneLose')}>
        ${t('lose')}
      </button>
      <button @click=${() => perform(() => sandbox.nextDelivery({ duplicate: 3 }), 'doneThrice')}>
        ${t('thrice')}
      </button>
      <button @click=${forge}>${t('forge')}</button>
      <button
        @click=${() => perform(() => sandbox.advance(A_WHILE), 'doneAdvance', { by: A_WHILE })}
      >
        ${t('pass')}
      </button>
    </div>
  </fieldset>`;
}

/** WeChat Pay knows an order after its first payment was opened. */
function forge() {
  const { number } = currentPhone().shop?.order ?? {};
  if (!number) return update({ notice: t('noOrder') });
  return perform(() => sandbox.forge(number), 'doneForge');
}
