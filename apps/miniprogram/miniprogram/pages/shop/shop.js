const session = require('../../session');
const { failed } = require('../../notice');
const { priceOf, readable } = require('../../orders');

// A key for each product until the server has returned its order. After a lost response, a second tap gets the same order again.
const keys = {};

function newKey() {
  return `${Date.now()}-${Math.random().toString(36).slice(2)}`;
}

Page({
  data: { products: [], orders: [] },

  onShow() {
    return Promise.all([session.request({ url: '/products' }), session.request({ url: '/orders' })])
      .then(([products, orders]) =>
        this.setData({
          products: products.map(({ id, name, price }) => ({ id, name, price: priceOf(price) })),
          orders: orders.map(readable),
        }),
      )
      .catch(failed);
  },

  order(event) {
    const productId = event.currentTarget.dataset.id;
    keys[productId] = keys[productId] || newKey();
    return session
      .request({
        url: '/orders',
        method: 'POST',
        data: { productId, quantity: 1 },
        header: { 'Idempotency-Key': keys[productId] },
      })
      .then(({ id }) => {
        delete keys[productId];
        wx.navigateTo({ url: `/pages/order/order?id=${id}` });
      })
      .catch(failed);
  },
});
