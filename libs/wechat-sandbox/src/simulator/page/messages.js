import { html, nothing } from '../vendor/lit-html.js';
import { messagesOf } from './control-api.js';
import { miniProgramOf } from './mini-program.js';
import { phoneOf, state, update } from './state.js';
import { t } from './texts.js';

const SENDING = /^POST \/cgi-bin\/message\//;

/** Reads the messages of the phones when the server has sent one. */
export async function followMessages({ title, responseTo, status }) {
  if (!responseTo || status !== 200 || !SENDING.test(title)) return;
  await Promise.all(state.users.map(({ id }) => receive(phoneOf(id))));
  update();
}

/** The number can be smaller than before: a restarted sandbox has no messages. */
async function receive(phone) {
  const messages = await messagesOf(phone.userId);
  if (messages.length !== phone.received) phone.banner = messages.at(-1);
  phone.received = messages.length;
}

/** The banner of the newest message. A tap opens the page of the message. */
export function messageBanner(phone) {
  const { banner } = phone;
  if (!banner) return nothing;
  const { title, data = banner.content } = banner;
  return html`<button class="message-banner" @click=${() => open(phone)}>
    <span class="small">${t('notice')}</span>
    <b lang="zh-CN">${title ?? t('customerMessage')}</b>
    <span lang="zh-CN">${Object.values(data).map(String).join(' · ')}</span>
  </button>`;
}

function open(phone) {
  const id = new URLSearchParams(phone.banner.page?.split('?')[1]).get('id');
  phone.banner = undefined;
  update();
  if (id) void miniProgramOf(phone.userId).openOrder(id);
}
