import { html } from '../vendor/lit-html.js';
import { ownFetch } from './own-fetch.js';
import { state, update } from './state.js';
import { t } from './texts.js';

const CALLBACK = '/simulator/website/callback';

const mobileApp = () => state.world.apps.find(({ kind }) => kind === 'mobile');

/** A website on a computer with WeChat login. */
export function websiteView() {
  return html`<div class="browser">
    <div class="browser-bar" aria-hidden="true">
      <i></i><i></i><i></i><span>https://www.example.com</span>
    </div>
    <div class="site">
      <h2>${t('siteTitle')}</h2>
      ${mobileApp() ? STAGES[state.website.stage]() : html`<p>${t('siteNoApp')}</p>`}
    </div>
  </div>`;
}

const STAGES = {
  start: () =>
    html`<p>${t('siteHint')}</p>
      <button class="primary big" @click=${openConsentPage}>${t('siteStart')}</button>`,
  consent: () =>
    html`<iframe
      title=${t('siteFrame')}
      src=${state.website.src}
      @load=${({ target }) => cameBack(target)}
    ></iframe>`,
  working: () => html`<p role="status">${t('siteWorking')}</p>`,
  done: () =>
    html`<div role="status">${outcome(state.website)}</div>
      <button @click=${() => update({ website: { stage: 'start' } })}>${t('again')}</button>`,
};

function outcome({ status, body, error }) {
  const person = body?.data;
  if (status !== 200 || !person)
    return html`<p class="problem">${error ?? t('siteRefused', { msg: body?.msg ?? status })}</p>`;
  return html`<h3>${t('siteHello')}</h3>
    <p class="large">${person.nickname}</p>
    <pre tabindex="0" aria-label="userInfo">${JSON.stringify(person, undefined, 2)}</pre>`;
}

/** Opens the consent page, as a website redirects to open.weixin.qq.com. The state is a random value of this login. */
function openConsentPage() {
  const nonce = crypto.randomUUID();
  const query = new URLSearchParams({
    appid: mobileApp().appId,
    redirect_uri: location.origin + CALLBACK,
    response_type: 'code',
    scope: 'snsapi_login',
    state: nonce,
  });
  update({ website: { stage: 'consent', nonce, src: `/connect/qrconnect?${query}` } });
}

/** Returns the address of the page in the frame, or undefined if it is a page that a fault has set, which this page may not read. */
function addressOf({ contentWindow }) {
  try {
    const { pathname, search } = contentWindow.location;
    return { pathname, search };
  } catch {
    return undefined;
  }
}

/** WeChat redirects the browser to the website with a code. Only the website's backend can use it. */
async function cameBack(frame) {
  const at = addressOf(frame);
  if (at?.pathname !== CALLBACK) return;
  const query = new URLSearchParams(at.search);
  if (query.get('state') !== state.website.nonce)
    return update({ website: { stage: 'done', error: t('stateMismatch') } });
  update({ website: { stage: 'working' } });
  const login = `website/login?${new URLSearchParams({ code: query.get('code') })}`;
  const result = await ownFetch(login, { method: 'POST' })
    .then((response) => response.json())
    .catch((error) => ({ error: error.message }));
  update({ website: { stage: 'done', ...result } });
}
