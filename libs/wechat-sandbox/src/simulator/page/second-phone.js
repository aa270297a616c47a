import { html, nothing } from '../vendor/lit-html.js';
import { miniProgramOf } from './mini-program.js';
import { userNamed } from './avatar.js';
import { result } from './results.js';
import { scan, scanner } from './scan.js';
import { phoneOf, state, update } from './state.js';
import { statusBar } from './status-bar.js';
import { t } from './texts.js';

/** The second phone. It scans a code and opens the mini program at its page and scene. */
export function secondPhoneView() {
  return html`<div class="phone second">
    ${statusBar()}
    <header class="nav-bar"><h2>${t('deviceSecond')}</h2></header>
    <div class="app">
      ${choice()}
      <button class="primary big" ?disabled=${!state.image || !scanner()} @click=${scan}>
        ${t('secondScan')}
      </button>
      <section class="screen" aria-label=${t('screen')} aria-live="polite">${seen()}</section>
    </div>
  </div>`;
}

function choice() {
  const others = state.users.filter(({ id }) => id !== state.userId);
  if (others.length === 0) return nothing;
  return html`<label class="field"
    ><span>${t('secondWho')}</span>
    <select @change=${({ target }) => update({ scannerId: target.value })}>
      ${others.map(({ id, nickName }) => html`<option value=${id} ?selected=${id === scanner()?.id}>${nickName}</option>`)}
    </select></label
  >`;
}

function seen() {
  const { scanned } = state;
  if (scanned === 'unknown') return html`<p>${t('secondUnknown')}</p>`;
  if (!scanned) return html`<p class="empty">${t('secondIdle')}</p>`;
  const phone = phoneOf(scanned.userId);
  return html`<p>${t('secondOpened', { name: userNamed(scanned.userId)?.nickName })}</p>
    ${phone.busy ? html`<p class="busy">${t('busy')}</p>` : result(phone, miniProgramOf(scanned.userId))}`;
}
