import { html, nothing } from '../vendor/lit-html.js';
import { icon } from './icons.js';
import { miniProgramOf } from './mini-program.js';
import { avatar } from './avatar.js';
import { result } from './results.js';
import { currentPhone, miniProgram, now, state, update } from './state.js';
import { statusBar } from './status-bar.js';
import { BUTTONS, t } from './texts.js';

/** The phone of the chosen user, with the mini program open. */
export function phoneView() {
  const phone = currentPhone();
  const app = miniProgramOf(state.userId);
  return html`<div class="phone">
    ${statusBar()}
    <header class="nav-bar">
      <h2>${miniProgram().name ?? t('miniProgram')}</h2>
      <span class="capsule" aria-hidden="true"><i></i><b></b></span>
    </header>
    <div class="app" aria-busy=${phone.busy ? 'true' : 'false'}>
      ${userCard(phone)} ${action('login', app.login, 'primary big')}
      <div class="tiles">
        ${action('profile', app.profile, 'tile', 'profile')}
        ${action('phone', () => app.phoneNumber(state.encrypted), 'tile', 'phone')}
        ${action('record', app.record, 'tile', 'record')}
        ${action('code', () => app.qrCode(`from=${state.userId}`), 'tile', 'code')}
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
      ${action('logout', app.logout, 'plain')}
    </div>
  </div>`;
}

/** A button of the mini program. It is named in both languages, so that every reader finds it. */
function action(name, onClick, look, picture) {
  const [chinese, english] = BUTTONS[name];
  return html`<button class="act ${look}" @click=${onClick}>
    ${picture ? icon(picture) : nothing}<span
      ><b lang="zh-CN">${chinese}</b><i> / </i><b lang="en">${english}</b></span
    >
  </button>`;
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
