import { html, nothing } from '../vendor/lit-html.js';
import { icon } from './icons.js';
import { bilingual } from './texts.js';

/** A button on the phone, named in both languages. */
export const button = (name, onClick, look = '', picture) =>
  html`<button class="act ${look}" @click=${onClick}>
    ${picture ? icon(picture) : nothing}${bilingual(name)}
  </button>`;
