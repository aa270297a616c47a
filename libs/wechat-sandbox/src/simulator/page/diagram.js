import { html, nothing } from '../vendor/lit-html.js';
import { guard } from '../vendor/directives/guard.js';
import { repeat } from '../vendor/directives/repeat.js';
import { icon } from './icons.js';
import { markDone } from './tour-steps.js';
import { state, update } from './state.js';
import { clockTime, has, t } from './texts.js';
import { explanationOf } from './explanations.js';

const LIFELINES = ['client', 'server', 'wechat'];
const KEYS_SHOWN = 3;

/** The sequence diagram: one list item per message, with details that open. */
export function diagram() {
  const messages = [...state.messages.values()]
    .filter(({ id }) => id > state.clearedUpTo)
    .toSorted((a, b) => a.id - b.id);
  return html`<section
    class="card diagram"
    id="diagram"
    aria-labelledby="diagram-title"
    tabindex="-1"
  >
    <header class="card-head">
      <h2 id="diagram-title">${t('diagram')}</h2>
      <button class="quiet" ?disabled=${messages.length === 0} @click=${clear}>
        ${t('clear')}
      </button>
    </header>
    <ul class="lifelines" aria-label=${t('lifelines')}>
      ${LIFELINES.map((line) => html`<li class="lifeline ${line}">${icon(line)}<span>${t(line)}</span></li>`)}
    </ul>
    <div class="wire" role="log" aria-labelledby="diagram-title">
      ${
        messages.length === 0
          ? html`<p class="empty">${t('diagramEmpty')}</p>`
          : html`<ol>
              ${repeat(
                messages,
                ({ id }) => id,
                (message) => guard([message, state.lang, state.users], () => step(message)),
              )}
            </ol>`
      }
    </div>
  </section>`;
}

const clear = () => update({ clearedUpTo: Math.max(0, ...state.messages.keys()) });

function step(message) {
  return message.from === message.to ? remark(message) : arrow(message);
}

/** A change that was made with the controls. */
function remark({ title, user, body }) {
  const key = `note.${title === 'always' && body.delay ? 'slow' : title}`;
  return html`<li class="remark">
    <span>${has(key) ? t(key, { ...body, who: nameOf(user) }) : title}</span>
  </li>`;
}

function arrow(message) {
  const { from, to, responseTo, delivery } = message;
  const span = [from, to].toSorted((a, b) => LIFELINES.indexOf(a) - LIFELINES.indexOf(b)).join('-');
  const way = LIFELINES.indexOf(from) < LIFELINES.indexOf(to) ? 'right' : 'left';
  return html`<li
    class="message ${span} ${way} ${from} ${responseTo ? 'response' : 'request'} ${failed(message) ? 'failed' : ''} ${delivery?.lost ? 'lost' : ''}"
  >
    <details @toggle=${({ target }) => target.open && opened(target, message)}>
      <summary>
        <span class="hidden">${t('by', { from: t(from), to: t(to) })}: </span>
        <span class="label">${responseTo ? responseLabel(message) : requestLabel(message)}</span>
        <span class="shaft" aria-hidden="true"></span>
      </summary>
      ${more(message)}
    </details>
  </li>`;
}

const failed = ({ responseTo, status, body, delivery }) =>
  (delivery?.lost ?? false) ||
  (Boolean(responseTo) &&
    (status === 0 || status >= 400 || body?.errcode > 0 || body?.errcode < 0));

function opened(details, { title, responseTo }) {
  details.scrollIntoView({ block: 'nearest' });
  markDone(({ opens }) => opens === title && responseTo !== undefined);
  update();
}

const requestLabel = ({ title, user, delivery }) =>
  html`${user ? html`<span class="who">${nameOf(user).split(' ')[0]}</span>` : nothing}<code>${breakable(title)}</code>${delivery ? html`<span class="attempt">${attemptLabel(delivery)}</span>` : nothing}`;

const attemptLabel = ({ attempt, lost }) =>
  [t('attempt', { n: attempt }), ...(lost ? [t('lost')] : [])].join(' · ');

/** Whether the server has accepted the signature of a notification or push, as its status says. */
function signatureResult({ delivery, status }) {
  if (!delivery) return nothing;
  if (status >= 200 && status < 300) return t('signature.accepted');
  const refused = delivery.kind === 'pay' ? [401] : [401, 403];
  return refused.includes(status) ? t('signature.refused') : nothing;
}

const UUID = /\b([0-9a-f]{8})-[0-9a-f-]{27}\b/g;

/** Lets a path or the name of an event break at its punctuation, and shortens ids. */
const breakable = (title) =>
  title
    .replaceAll(UUID, '$1…')
    .split(/(?<=[/._])/)
    .map((part) => html`${part}<wbr />`);

function responseLabel(message) {
  const { status, durationMs } = message;
  return html`<span class="status">${status === 0 ? t('noResponse') : status}</span>
    <span class="signature">${signatureResult(message)}</span>
    <span class="gist">${summaryOf(message)}</span>
    ${durationMs > 300 ? html`<span class="took">${t('took', { ms: durationMs })}</span>` : nothing}`;
}

/** Summarizes a response: the refusal, or the names of its fields. */
function summaryOf({ body, status }) {
  if (typeof body !== 'object' || body === null) return body ?? '';
  if (body.errcode) return `${body.errcode} ${(body.errmsg ?? '').split(/,? rid|,/)[0]}`;
  if (body.error) return `${body.error} ${body.code === status ? '' : body.code}`;
  const data = 'success' in body ? body.data : body;
  if (Array.isArray(data)) return `[${data.length}]`;
  if (typeof data !== 'object' || data === null) return data ?? body.msg ?? '';
  const keys = Object.keys(data).filter(
    (key) => key !== 'errMsg' && data[key] !== null && data[key] !== '',
  );
  return keys.slice(0, KEYS_SHOWN).join(', ') + (keys.length > KEYS_SHOWN ? ' …' : '');
}

function more(message) {
  const { title, status, durationMs, headers, query, body, at, responseTo } = message;
  const sentence = explanationOf(message);
  const shown = {
    ...(headers && { headers }),
    ...(query && Object.keys(query).length > 0 && { query }),
    ...(body !== undefined && { body }),
  };
  return html`<div class="more">
    ${sentence ? html`<p class="why">${sentence}</p>` : nothing}
    <p class="facts">
      <code>${title}</code
      >${responseTo ? html` → ${status === 0 ? t('noResponse') : status}, ${t('took', { ms: durationMs ?? 0 })}` : nothing}
      · ${t('stepTime', { time: clockTime(at) })}
    </p>
    ${Object.keys(shown).length === 0 ? html`<p class="facts">${t('noBody')}</p>` : html`<pre tabindex="0" aria-label=${t('json')}>${json(shown)}</pre>`}
  </div>`;
}

const json = (value) => JSON.stringify(value, undefined, 2);

const nameOf = (user) =>
  state.users.find(({ id }) => id === user)?.nickName ??
  (user === 'website' ? t('deviceWebsite') : (user ?? ''));

let newest = 0;

/** Scrolls to the newest step, unless the pointer or the focus is in the diagram. */
export function followNewest() {
  const wire = document.querySelector('.wire');
  const last = Math.max(0, ...state.messages.keys());
  if (last > newest && !wire.matches(':hover, :focus-within')) wire.scrollTop = wire.scrollHeight;
  newest = last;
}
