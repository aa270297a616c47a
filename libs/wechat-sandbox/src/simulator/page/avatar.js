import { html } from '../vendor/lit-html.js';
import { state } from './state.js';

const COLOURS = 6;

/** Shows a user as an initial on a colour, because WeChat's pictures are on its servers. */
export function avatar(userId, name) {
  const index = Math.max(
    0,
    state.users.findIndex(({ id }) => id === userId),
  );
  return html`<span class="avatar colour-${index % COLOURS}" aria-hidden="true"
    >${[...(name || '?')][0]}</span
  >`;
}

export const userNamed = (userId) => state.users.find(({ id }) => id === userId);
