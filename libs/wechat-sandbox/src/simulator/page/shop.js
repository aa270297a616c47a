import { html, nothing } from '../vendor/lit-html.js';
import { button } from './button.js';
import { miniProgramOf } from './mini-program.js';
import { yuan } from './money.js';
import { result } from './results.js';
import { currentPhone, miniProgram, state, update } from './state.js';
import { dayTime, t } from './texts.js';

/** The open page of the shop: the menu or one order. */
export function shopPage(phone, app) {
  const { shop } = phone;
  return html`<div class="shop">
    ${shop.page === 'menu' ? menu(shop, app) : orderPage(phone, app)}
    <div aria-live="polite">
      ${phone.busy && !phone.dialog ? html`<p class="busy">${t('busy')}</p>` : nothing}
      ${phone.result ? result(phone, app) : nothing}
    </div>
  </div>`;
}

/** Closes the shop. */
export function leaveShop(phone) {
  phone.shop = undefined;
  phone.result = undefined;
  update();
}

function menu(shop, app) {
  return html`<fieldset class="menu">
      <legend>${t('menu')}</legend>
      ${shop.products.map((product) => choice(shop, product))}
    </fieldset>
    ${button('pay', () => app.buy(shop), 'primary big')}
    ${shop.orders.length > 0 ? earlierOrders(shop.orders, app) : nothing}`;
}

function choice(shop, { id, name, price }) {
  return html`<label class="product"
    ><input
      type="radio"
      name="product"
      value=${id}
      .checked=${id === shop.productId}
      @change=${() => choose(shop, id)}
    /><span lang="zh-CN">${name}</span><b>${yuan(price)}</b></label
  >`;
}

/** Another product is another order, so it gets another key. */
function choose(shop, productId) {
  Object.assign(shop, { productId, orderKey: crypto.randomUUID() });
  update();
}

function earlierOrders(orders, app) {
  return html`<section class="earlier">
    <h3>${t('myOrders')}</h3>
    ${orders.map(
      ({ id, product, status, createdAt }) =>
        html`<button class="order-row" @click=${() => app.openOrder(id)}>
          <span lang="zh-CN">${product.name}</span>
          <span class="small">${dayTime(createdAt)}</span>
          ${statusTag(status)}
        </button>`,
    )}
  </section>`;
}

const statusTag = (status) => html`<span class="tag ${status}">${t(`order.${status}`)}</span>`;

function orderPage({ shop: { order, said }, news }, app) {
  const { product, quantity, amount, number, status, refund, shipped } = order;
  return html`<section class="order" aria-label=${t('order')}>
      <p class="order-status ${status}" role="status">
        <b>${t(`order.${status}`)}</b>
      </p>
      <p class="small">${t(`hint.${status}`)}</p>
      <dl class="fields">
        ${field('status', html`<code>${status}</code>`)}
        ${field('coffee', html`<span lang="zh-CN">${product.name}</span> × ${quantity}`)}
        ${field('amount', yuan(amount))} ${field('number', html`<code>${number}</code>`)}
        ${refund ? field('refund', html`<code>${refund.status}</code>`) : nothing}
        ${shipped === undefined ? nothing : field('shipped', t(`shipped.${shipped}`))}
        ${said ? field('said', html`<code>${said}</code>`) : nothing}
      </dl>
    </section>
    <div class="pair">${(ACTIONS[status] ?? (() => nothing))(order, app)}</div>
    ${button('sync', () => app.sync(order))}
    ${news ? html`<p class="small news">${t(news)}</p>` : nothing}
    ${miniProgram().templates?.length > 0 ? button('news', app.allowNews) : nothing}`;
}

const field = (name, value) =>
  html`<div>
    <dt>${t(`order-field.${name}`)}</dt>
    <dd>${value}</dd>
  </div>`;

/** The buttons of an order by its status. */
const ACTIONS = {
  pending: (order, app) =>
    html`${button('cancelOrder', () => app.cancelOrder(order))}
    ${button('pay', () => app.pay(order), 'primary')}`,
  paid: (order, app) =>
    html`${button('refund', () => app.refund(order))}
    ${button('pickUp', () => app.pickUp(order), 'primary')}`,
};

/** The server stores what it has received a moment later, on a busy machine seconds later. */
const RENEW_AFTER_MS = [300, 3000];
let renewals = [];

/** The paths of WeChat whose responses can change an order: WeChat Pay, and shipping information. */
const ABOUT_ORDERS = / \/(v3|wxa\/sec\/order)\//;

/** Reads the open order again after the server has had a notification, or a response about an order. */
export function followOrder({ from, delivery, responseTo, title }) {
  const isAnswer = from === 'wechat' && ABOUT_ORDERS.test(title);
  if (!responseTo || !(delivery || isAnswer)) return;
  renewals.forEach(clearTimeout);
  renewals = RENEW_AFTER_MS.map((ms) => setTimeout(renewOpenOrder, ms));
}

function renewOpenOrder() {
  if (currentPhone().shop?.page === 'order') miniProgramOf(state.userId).renewOrder();
}
