import { miniProgram, phoneOf } from './state.js';

/** How many earlier orders the shop shows. */
const LATEST_ORDERS = 3;
/** WeChat or the reconciliation may still change the order. */
const isUnsettled = ({ status, shipped }) =>
  status === 'pending' || status === 'refunding' || shipped === false;

const newKey = () => crypto.randomUUID();

/**
 * The shop of the mini program. Each action shows a page of the shop on the phone.
 *
 * @param parts the functions of the mini program: `call` sends a request with the session
 */
export function shopActions({ userId, wx, call }) {
  const phone = phoneOf(userId);

  const show = (page) => {
    phone.shop = page;
    phone.result = undefined;
  };
  const showOrder = (order, said) => show({ page: 'order', order, said });

  /** Opens the pay sheet. Whatever it returns, the server asks WeChat Pay: only WeChat Pay knows whether the money has moved. */
  async function pay(order) {
    showOrder(order);
    const params = await call('POST', `/orders/${order.id}/pay`);
    const { errMsg } = await wx.requestPayment(params, order);
    showOrder(order, errMsg);
    showOrder(await call('POST', `/orders/${order.id}/sync`), errMsg);
  }

  const change = (action) => async (order) =>
    showOrder(await call('POST', `/orders/${order.id}/${action}`, {}));

  return {
    async openShop() {
      const products = await call('GET', '/products');
      const orders = phone.session ? await call('GET', `/orders?limit=${LATEST_ORDERS}`) : [];
      show({ page: 'menu', products, orders, productId: products[0]?.id, orderKey: newKey() });
    },

    /** A retry sends the same key, so it makes no second order. */
    async buy({ productId, orderKey }) {
      const header = { 'Idempotency-Key': orderKey };
      await pay(await call('POST', '/orders', { productId, quantity: 1 }, { header }));
    },

    pay,
    sync: change('sync'),
    cancelOrder: change('cancel'),
    refund: change('refund'),
    pickUp: change('pickup'),

    async openOrder(id) {
      showOrder(await call('GET', `/orders/${id}`));
    },

    /** Reads an order again that WeChat may have changed. If it is unchanged, the error of the last action stays on the screen. */
    async renewOrder() {
      const { order, said } = phone.shop ?? {};
      if (!order || !isUnsettled(order)) return;
      const renewed = await call('GET', `/orders/${order.id}`);
      const isOpen = phone.shop?.order === order; // the user may have left it meanwhile
      if (isOpen && JSON.stringify(renewed) !== JSON.stringify(order)) showOrder(renewed, said);
    },

    async allowNews() {
      const { templates } = miniProgram();
      const choices = await wx.requestSubscribeMessage(templates);
      phone.news = choices[templates[0].id] === 'accept' ? 'newsAllowed' : 'newsRejected';
    },
  };
}
