import { html, nothing } from '../vendor/lit-html.js';
import { scanOnSecondPhone } from './scan.js';
import { has, short, t } from './texts.js';

/** The contents of the screen after an action, by the kind of its result. */
const SCREENS = {
  login: ({ isNewUser, session_rd, code }) =>
    html`<h3>${t(isNewUser ? 'welcomeNew' : 'welcomeBack')}</h3>
      <p>
        ${t('tradedCode', { code: short(code) })} <code>session_rd ${short(session_rd)}</code>
      </p>`,

  refreshed: ({ session_rd }) =>
    html`<h3>${t('refreshed')}</h3>
      <p><code>${short(session_rd)}</code></p>`,

  me: ({ json, replaced }) =>
    html`<h3>${t('whoAmI')}</h3>
      ${replaced ? html`<p>${t('replacedWorks')}</p>` : nothing}${fields(json)}`,

  session: ({ json }) =>
    html`<h3>${t('sessionTold')}</h3>
      ${fields(json)}`,

  profile: ({ me, pictureStatus }, app) =>
    html`<h3>${t('profileSaved')}</h3>
      <p class="large">${me.nickName || t('noName')}</p>
      ${me.avatarUrl ? html`<p class="small">avatarUrl <code>${me.avatarUrl}</code></p>` : nothing}
      <p class="row">
        <button @click=${app.savePicture}>${t('uploadPicture')}</button>
        ${contentStatus(pictureStatus)}
      </p>
      <form class="row" @submit=${(event) => saveName(event, app)}>
        <label class="field"
          ><span>${t('todaysWay')}</span
          ><input
            name="nickName"
            autocomplete="nickname"
            maxlength="64"
            required
            aria-label=${t('nickName')}
        /></label>
        <button>${t('save')}</button>
      </form>`,

  phone: ({ number, token, encrypted, registered, takenOver }) =>
    html`<h3>${t('phoneVerified')}</h3>
      <p class="large number">${number}</p>
      <p>${t(encrypted ? 'phoneDecrypted' : 'phoneByCode')}</p>
      <p>
        ${t(takenOver ? 'phoneTakenOver' : registered ? 'phoneRegistered' : 'phoneSignedIn')}
        <code>${short(token)}</code>
      </p>`,

  notLinked: (shown, app) =>
    html`<h3>${t('notLinked')}</h3>
      <p class="large">${shown.user.nickName || t('noName')}</p>
      <p class="number">${shown.number}</p>
      <p>${t('notLinkedHint')} <code>linked: false</code></p>
      <button class="primary" @click=${() => app.takeOverNumber(shown)}>
        ${t('notMyAccount')}
      </button>
      <p class="small">${t('takeOverHint')}</p>`,

  register: (shown, app) =>
    html`<h3>${t('notRegistered')}</h3>
      <p class="large number">${shown.number}</p>
      <p>${t(shown.encrypted ? 'phoneDecrypted' : 'phoneByCode')} ${t('ticketHint')}</p>
      <button class="primary" @click=${() => app.register(shown)}>${t('register')}</button>`,

  recordings: (shown, app) =>
    html`<h3>${t('recordings')}</h3>
      <p>${t('toneHint')}</p>
      ${
        shown.list.length === 0
          ? html`<p>${t('noRecordings')}</p>`
          : html`<ol class="clips">
              ${shown.list.map((one, i) => clip(shown, one, i + 1, app))}
            </ol>`
      }`,

  code: (shown) =>
    html`<img class="code" src=${shown.src} alt=${t('codeAlt', shown)} width="150" height="150" />
      <p>${t('codeDrawn')} <code>${shown.scene}</code></p>
      <button class="primary" @click=${() => scanOnSecondPhone(shown.image)}>
        ${t('scanIt')}
      </button>`,

  launched: ({ launch, isNewUser }) =>
    html`<p class="large"><code>${launch.page || launch.path || 'pages/index/index'}</code></p>
      <pre tabindex="0" aria-label="onLoad(query)">
onLoad(${JSON.stringify({ scene: launch.scene }, undefined, 1)})</pre>
      <p>${t('secondScene')}</p>
      <p>${t(isNewUser ? 'welcomeNew' : 'welcomeBack')}</p>`,

  loggedOut: () => html`<p>${t('loggedOut')}</p>`,

  problem: ({ error }) => {
    if (!error.statusCode)
      return html`<div role="alert" class="problem">
        <p>${t('problemServer', { msg: error.message })}</p>
      </div>`;
    const cure = `cure.${error.error}`;
    return html`<div role="alert" class="problem">
      <h3>${t('refused', { status: error.statusCode })}</h3>
      <p><code>${error.code} ${error.error ?? ''}</code> ${error.message}</p>
      ${has(cure) ? html`<p>${t(cure)}</p>` : nothing}
    </div>`;
  },
};

export function result({ result: shown }, app) {
  return shown ? SCREENS[shown.kind](shown, app) : html`<p class="empty">${t('emptyScreen')}</p>`;
}

/** Shows a record that the mini program received, without empty fields. */
function fields(json) {
  const set = Object.entries(json).filter(([, value]) => value !== null && value !== '');
  return html`<dl class="fields">
    ${set.map(
      ([key, value]) =>
        html`<div>
          <dt>${key}</dt>
          <dd>${String(value)}</dd>
        </div>`,
    )}
  </dl>`;
}

function saveName(event, app) {
  event.preventDefault();
  return app.saveNickName(new FormData(event.target).get('nickName'));
}

/** The result of WeChat's content check, if the server has one. */
const contentStatus = (status) =>
  status
    ? html`<span class="tag ${status}" role="status">${t(`content.${status}`)}</span>`
    : nothing;

function clip(shown, { id, format, fileSize, duration, status }, n, app) {
  return html`<li class=${shown.fresh === id ? 'fresh' : ''}>
    <span
      >${t('clip', { n })} ${contentStatus(status)}
      <span class="small"
        >${format} · ${Math.round(fileSize / 1024)} KB · ${(duration / 1000).toFixed(1)} s</span
      ></span
    >
    ${
      shown.playing === id
        ? html`<audio controls autoplay src=${shown.src} aria-label=${t('clip', { n })}></audio>`
        : html`<button aria-label=${t('playNumber', { n })} @click=${() => app.play(shown, id)}>
            ▶
          </button>`
    }
    <button aria-label=${t('deleteNumber', { n })} @click=${() => app.deleteRecording(id)}>
      ✕
    </button>
  </li>`;
}
