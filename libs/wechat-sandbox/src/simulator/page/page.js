import { html, nothing } from '../vendor/lit-html.js';
import { controls } from './controls.js';
import { diagram } from './diagram.js';
import { avatar } from './avatar.js';
import { phoneView } from './phone.js';
import { sandbox } from './control-api.js';
import { secondPhoneView } from './second-phone.js';
import { sessionCard } from './session.js';
import { setLanguage, state, update } from './state.js';
import { t } from './texts.js';
import { tour } from './tour.js';
import { websiteView } from './website.js';

const DEVICES = [
  ['phone', 'devicePhone', phoneView],
  ['second', 'deviceSecond', secondPhoneView],
  ['website', 'deviceWebsite', websiteView],
];
const JUMPS = [
  ['phone', 'jumpPhone'],
  ['tour', 'jumpTour'],
  ['diagram', 'jumpDiagram'],
  ['controls', 'jumpControls'],
];

/** The page: a device on the left, the messages on the right. */
export function page() {
  return html`<a class="skip" href="#phone">${t('skip')}</a>
    ${banner()}
    <main>
      <section class="devices" id="phone" aria-label=${t('devices')} tabindex="-1">
        ${userChoice()} ${state.userId ? device() : html`<p>${t('noUsers')}</p>`}
      </section>
      ${diagram()}
      <div class="side">
        ${tour()} ${state.userId ? html`${sessionCard()} ${controls()}` : nothing}
      </div>
    </main>
    <nav class="jumps" aria-label=${t('jumps')}>
      ${JUMPS.map(([id, name]) => html`<a href="#${id}">${t(name)}</a>`)}
    </nav>`;
}

function banner() {
  const other = state.lang === 'zh' ? 'en' : 'zh';
  return html`<header class="banner">
    <img src="page/icon.svg" alt="" width="36" height="36" />
    <div>
      <h1>${t('title')}</h1>
      <p>${t('subtitle')}</p>
    </div>
    <button
      class="quiet"
      lang=${other === 'zh' ? 'zh-CN' : 'en'}
      @click=${() => setLanguage(other)}
    >
      ${t('otherLanguage')}
    </button>
    <div class="alerts" role="status">
      ${state.connected ? nothing : html`<p>${t('disconnected')}</p>`}
      ${state.world.app ? nothing : html`<p>${t('noApp')}</p>`}
    </div>
  </header>`;
}

function userChoice() {
  return html`<fieldset class="people">
    <legend>${t('users')}</legend>
    ${state.users.map(
      ({ id, nickName, highRisk }) =>
        html`<label class="person"
          ><input
            type="radio"
            name="user"
            value=${id}
            .checked=${id === state.userId}
            @change=${() => update({ userId: id })}
          />
          <span
            >${avatar(id, nickName)}
            ${nickName.split(' ')[0]}${highRisk ? html` <em>${t('highRisk')}</em>` : nothing}</span
          ></label
        >`,
    )}
    <button
      class="quiet round"
      aria-label=${t('newUser')}
      title=${t('newUser')}
      @click=${() => sandbox.newUser()}
    >
      +
    </button>
  </fieldset>`;
}

function device() {
  const [, , view] = DEVICES.find(([id]) => id === state.device);
  return html`<div
      class="tabs"
      role="tablist"
      aria-label=${t('devices')}
      @keydown=${moveBetweenTabs}
    >
      ${DEVICES.map(
        ([id, name]) =>
          html`<button
            role="tab"
            id="tab-${id}"
            aria-controls="device"
            aria-selected=${id === state.device ? 'true' : 'false'}
            tabindex=${id === state.device ? 0 : -1}
            @click=${() => update({ device: id })}
          >
            ${t(name)}
          </button>`,
      )}
    </div>
    <div role="tabpanel" id="device" aria-labelledby="tab-${state.device}">${view()}</div>`;
}

/** The arrow keys move between the tabs. */
function moveBetweenTabs({ key }) {
  const way = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (!way) return;
  const at = DEVICES.findIndex(([id]) => id === state.device);
  const [id] = DEVICES[(at + way + DEVICES.length) % DEVICES.length];
  update({ device: id });
  document.querySelector(`[role=tab][id=tab-${String(id)}]`).focus();
}
