import { html } from '../vendor/lit-html.js';
import { now } from './state.js';
import { clockTime } from './texts.js';

/** The status bar of a phone, with the time of the sandbox. */
export function statusBar() {
  return html`<div class="status-bar" aria-hidden="true">
    <span>${clockTime(now(), { hour: '2-digit', minute: '2-digit' })}</span
    ><span class="island"></span><span class="battery"></span>
  </div>`;
}
