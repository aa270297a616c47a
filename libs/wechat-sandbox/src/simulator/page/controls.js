import { html } from '../vendor/lit-html.js';
import { sandbox } from './control-api.js';
import { perform } from './perform.js';
import { shopControls } from './shop-controls.js';
import { currentPhone, now, state, update } from './state.js';
import { clockTime, t } from './texts.js';

const STEPS = ['1m', '5m', '30m', '2h', '1d'];
const PATHS = [
  '*',
  '/sns/jscode2session',
  '/wxa/business/getuserphonenumber',
  '/wxa/getwxacodeunlimit',
  '/cgi-bin/stable_token',
];
const ERRCODES = [-1, 40001, 40013, 40029, 40163, 40226, 45009, 45011];
const CONDITIONS = ['well', 'slow', 'dead'];

/** The controls of the sandbox. */
export function controls() {
  return html`<section class="card" id="controls" aria-labelledby="controls-title" tabindex="-1">
    <header class="card-head"><h2 id="controls-title">${t('controls')}</h2></header>
    ${shopControls()} ${clock()} ${keys()} ${nextResponse()} ${condition()}
    <p class="notice" role="status">${state.notice}</p>
  </section>`;
}

function clock() {
  return html`<fieldset>
    <legend>
      ${t('clock')} <span class="legend-note">${t('clockNow', { time: clockTime(now()) })}</span>
    </legend>
    <div class="row">
      ${STEPS.map(
        (by) =>
          html`<button
            aria-label=${t('advanceBy', { by })}
            @click=${() => perform(() => sandbox.advance(by), 'doneAdvance', { by })}
          >
            +${by}
          </button>`,
      )}
      <button class="wide" @click=${expire}>${t('expire')}</button>
    </div>
  </fieldset>`;
}

/** Expires the session by moving the clock. */
function expire() {
  const { session } = currentPhone();
  const left = session ? session.end - now() : 0;
  if (left <= 0) return update({ notice: t('noSession') });
  return perform(() => sandbox.advance(`${left + 1000}ms`), 'doneExpire');
}

function keys() {
  return html`<fieldset>
    <legend>${t('keys')}</legend>
    <div class="row">
      <button @click=${() => perform(() => sandbox.rotateSessionKey(state.userId), 'doneRotate')}>
        ${t('rotate')}
      </button>
      <button @click=${() => perform(() => sandbox.invalidateAccessToken(), 'doneInvalidate')}>
        ${t('invalidate')}
      </button>
    </div>
  </fieldset>`;
}

function nextResponse() {
  return html`<fieldset>
    <legend>${t('nextResponse')}</legend>
    <form class="row" @submit=${queueErrcode}>
      <label class="field path"
        ><span>${t('path')}</span>
        <select name="path">
          ${PATHS.map((path) => html`<option value=${path}>${path === '*' ? t('anyPath') : path.split('/').at(-1)}</option>`)}
        </select></label
      >
      <label class="field"
        ><span>${t('errcode')}</span>
        <select name="errcode">
          ${ERRCODES.map((code) => html`<option value=${code}>${code}</option>`)}
        </select></label
      >
      <button>${t('setErrcode')}</button>
    </form>
  </fieldset>`;
}

function queueErrcode(event) {
  event.preventDefault();
  const { path, errcode } = Object.fromEntries(new FormData(event.target));
  return perform(() => sandbox.setNextErrcode(path, Number(errcode)), 'doneNext', {
    path: path === '*' ? t('anyPath') : path,
    errcode,
  });
}

const nameOf = (one) => t(`condition${one[0].toUpperCase()}${one.slice(1)}`);

function condition() {
  return html`<fieldset>
    <legend>${t('condition')}</legend>
    <div class="segments">
      ${CONDITIONS.map(
        (one) =>
          html`<label class="segment ${one}"
            ><input
              type="radio"
              name="condition"
              value=${one}
              .checked=${state.condition === one}
              @change=${() => perform(() => sandbox.setCondition(one), 'doneCondition', { condition: nameOf(one) })}
            /><span>${nameOf(one)}</span></label
          >`,
      )}
    </div>
  </fieldset>`;
}
