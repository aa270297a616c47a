import { html, nothing } from '../vendor/lit-html.js';
import { button } from './button.js';
import { dialogView } from './dialogs.js';
import { messageBanner } from './messages.js';
import { miniProgramOf } from './mini-program.js';
import { avatar } from './avatar.js';
import { result } from './results.js';
import { leaveShop, shopPage } from './shop.js';
import { currentPhone, miniProgram, now, state, update } from './state.js';
import { statusBar } from './status-bar.js';
import { t } from './texts.js';

/** The phone of the chosen user, with the mini program open. */
export function phoneView() {
  const phone = currentPhone();
  const app = miniProgramOf(state.userId);
  return html`<div class="phone">
    ${statusBar()} ${messageBanner(phone)} ${navBar(phone)}
    <div
      class="app"
      aria-busy=${phone.busy || phone.reads.length > 0 ? 'true' : 'false'}
      ?inert=${phone.dialog !== undefined}
      aria-hidden=${phone.dialog ? 'true' : 'false'}
    >
      ${phone.shop ? shopPage(phone, app) : home(phone, app)}
    </div>
    ${dialogView(phone)}
  </div>`;
}

function navBar(phone) {
  return html`<header class="nav-bar" ?inert=${phone.dialog !== undefined}>
    ${
      phone.shop
        ? html`<button
            class="quiet back"
            aria-label=${t('back')}
            ?disabled=${phone.busy}
            @click=${() => leaveShop(phone)}
          >
            ‹
          </button>`
        : nothing
    }
    <h2>${phone.shop ? t('shop') : (miniProgram().name ?? t('miniProgram'))}</h2>
    <span class="capsule" aria-hidden="true"><i></i><b></b></span>
  </header>`;
}

/** The first page of the mini program. */
function home(phone, app) {
  return html`${userCard(phone)} ${button('login', app.login, 'primary big')}
    <div class="tiles">
      ${button('profile', app.profile, 'tile', 'profile')}
      ${button('phone', () => app.phoneNumber(state.encrypted), 'tile', 'phone')}
      ${button('record', app.record, 'tile', 'record')}
      ${button('code', () => app.qrCode(`from=${state.userId}`), 'tile', 'code')}
      ${state.world.hasShop ? button('shop', app.openShop, 'tile', 'shop') : nothing}
    </div>
    <label class="switch"
      ><input
        type="checkbox"
        role="switch"
        .checked=${Boolean(state.encrypted)}
        @change=${({ target }) => update({ encrypted: target.checked })}
      /><span>${t('encrypted')}</span></label
    >
    <section class="screen" aria-label=${t('screen')} aria-live="polite">
      ${phone.busy ? html`<p class="busy">${t('busy')}</p>` : result(phone, app)}
    </section>
    ${button('logout', app.logout, 'plain')}`;
}

function userCard({ me, session }) {
  const live = session && !session.ended && session.end > now();
  const words = session ? t(live ? 'sessionLive' : 'phoneSessionEnded') : t('guestHint');
  return html`<div class="user-card">
    ${me ? avatar(state.userId, me.nickName) : html`<span class="avatar anonymous" aria-hidden="true"></span>`}
    <div>
      <strong>${me ? me.nickName || t('noName') : t('guest')}</strong>
      <span class="small ${session ? (live ? 'live' : 'ended') : ''}">${words}</span>
      ${me?.phoneNumber ? html`<span class="small">${me.phoneNumber}</span>` : nothing}
    </div>
  </div>`;
}
