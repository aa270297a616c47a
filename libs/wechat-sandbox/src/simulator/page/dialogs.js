import { html, nothing } from '../vendor/lit-html.js';
import { button } from './button.js';
import { miniProgram, phoneOf, state, update } from './state.js';
import { yuan } from './money.js';
import { t } from './texts.js';

/**
 * Opens a dialog of WeChat on a user's phone: the pay sheet or the subscribe prompt.
 *
 * @returns what the user has pressed
 */
export function ask(userId, dialog) {
  const phone = phoneOf(userId);
  return new Promise((resolve) => {
    const decide = (choice) => {
      phone.dialog = undefined;
      update();
      resolve(choice);
    };
    phone.dialog = { ...dialog, decide };
    update();
    requestAnimationFrame(() => document.querySelector('.sheet button')?.focus()); // after the page is drawn
  });
}

/** The open dialog of a phone. The mini program behind it is inert. */
export function dialogView({ dialog }) {
  return dialog ? html`<div class="shade">${DIALOGS[dialog.kind](dialog)}</div>` : nothing;
}

const DIALOGS = {
  pay: ({ amount, decide }) =>
    sheet('payTitle', () => decide('cancel'), [
      html`<p class="payee">${t('payTo', { merchant: miniProgram().name })}</p>
        <p class="amount">${yuan(amount)}</p>
        <p class="small">${t('payMerchant', { id: state.world.mchId })}</p>`,
      button('confirm', () => decide('ok'), 'primary big'),
      button('cancel', () => decide('cancel')),
    ]),

  subscribe: ({ templates, decide }) =>
    sheet('subscribeTitle', () => decide('reject'), [
      html`<p>${t('subscribeAsk', { app: miniProgram().name })}</p>
        <ul class="templates">
          ${templates.map(({ title }) => html`<li>${title}</li>`)}
        </ul>`,
      html`<div class="pair">
        ${button('reject', () => decide('reject'))}
        ${button('allow', () => decide('accept'), 'primary')}
      </div>`,
    ]),
};

function sheet(title, dismiss, parts) {
  return html`<section
    class="sheet"
    role="dialog"
    aria-modal="true"
    aria-labelledby="sheet-title"
    @keydown=${({ key }) => key === 'Escape' && dismiss()}
  >
    <h2 id="sheet-title">${t(title)}</h2>
    ${parts}
  </section>`;
}
