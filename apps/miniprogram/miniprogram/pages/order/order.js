const { askToSubscribe } = require('nestjs-wechat-miniprogram');
const { orderPaidTemplate } = require('../../config');
const session = require('../../session');
const { failed } = require('../../notice');
const { readable } = require('../../orders');

Page({
  data: { id: '', order: null, newsAllowed: false },

  onLoad({ id }) {
    this.setData({ id });
  },

  onShow() {
    return this.show(session.request({ url: `/orders/${this.data.id}` }));
  },

  // The order comes from the server, whatever the pay sheet said.
  pay() {
    return this.show(session.pay(this.data.order, { onFailure: paymentFailed }));
  },

  cancel() {
    return this.send('cancel');
  },

  refund() {
    return this.send('refund');
  },

  pickUp() {
    return this.send('pickup');
  },

  // The server asks WeChat Pay, for example whether a refund is done.
  sync() {
    return this.send('sync');
  },

  // Called directly in the tap handler: WeChat shows the question only after a tap.
  allowNews() {
    return askToSubscribe([orderPaidTemplate])
      .then((results) => this.setData({ newsAllowed: results[orderPaidTemplate] === 'accept' }))
      .catch(failed);
  },

  send(action) {
    return this.show(session.request({ url: `/orders/${this.data.id}/${action}`, method: 'POST' }));
  },

  show(order) {
    return order.then((current) => this.setData({ order: readable(current) })).catch(failed);
  },
});

function paymentFailed(failure) {
  if (!/cancel/.test(failure.msg)) failed(failure);
}
