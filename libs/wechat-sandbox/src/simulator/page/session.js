import { html, nothing } from '../vendor/lit-html.js';
import { GRACE_MS, miniProgramOf } from './mini-program.js';
import { currentPhone, now, state } from './state.js';
import { dayTime, short, span, t } from './texts.js';

/** The session: a bar for the session_rd, one for the replaced session_rd, and their actions. */
export function sessionCard() {
  const { session } = currentPhone();
  const app = miniProgramOf(state.userId);
  const live = session && !session.ended;
  return html`<section class="card" id="session" aria-labelledby="session-title">
    <header class="card-head"><h2 id="session-title">${t('session')}</h2></header>
    ${session ? html`<dl class="tokens">${currentRow(session)} ${session.replaced ? replacedRow(session) : nothing}</dl>` : html`<p class="empty">${t('sessionNone')}</p>`}
    ${live && session.loginEnd ? html`<p class="small">${t('loginEnd', { time: dayTime(session.loginEnd) })}</p>` : nothing}
    ${live && session.ownClock ? html`<p class="small">${t('ownClock')}</p>` : nothing}
    <div class="row">
      <button @click=${app.refresh} ?disabled=${!session}>${t('refresh')}</button>
      <button @click=${app.me} ?disabled=${!session}>GET /me</button>
      <button @click=${app.session} ?disabled=${!session}>GET /auth/session</button>
      ${session?.replaced ? html`<button @click=${app.tryReplaced}>${t('tryReplaced')}</button>` : nothing}
    </div>
  </section>`;
}

function currentRow({ session_rd, start, end, ended }) {
  const left = ended ? 0 : Math.max(0, end - now());
  const words = ended
    ? t('sessionEnded')
    : left > 0
      ? t('sessionLeft', { left: span(left) })
      : t('sessionOver');
  return row({
    token: session_rd,
    tag: t('current'),
    left,
    whole: end - start,
    words,
    label: t('sessionBar'),
    low: left < (end - start) / 5,
  });
}

function replacedRow({ replaced: { session_rd, at } }) {
  const left = Math.max(0, at + GRACE_MS - now());
  const words = left > 0 ? t('graceLeft', { left: span(left) }) : t('graceOver');
  return row({
    token: session_rd,
    tag: t('replaced'),
    left,
    whole: GRACE_MS,
    words,
    label: t('graceBar'),
    grace: true,
  });
}

function row({ token, tag, left, whole, words, label, low, grace }) {
  return html`<div class="token">
    <dt><code>${short(token)}</code> <span class="tag">${tag}</span></dt>
    <dd>
      <progress
        class=${grace ? 'grace' : low ? 'low' : ''}
        aria-label=${label}
        max=${whole}
        .value=${left}
      ></progress>
      <span class="left">${words}</span>
    </dd>
  </div>`;
}
