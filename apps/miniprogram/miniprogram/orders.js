// How the pages show an order of the server.
const STATUS = {
  pending: '待支付 · To pay',
  paid: '已支付 · Paid',
  'picked-up': '已取货 · Picked up',
  refunding: '退款中 · Refunding',
  refunded: '已退款 · Refunded',
  closed: '已关闭 · Closed',
};

/** Amounts are whole fen. */
function priceOf(fen) {
  return `¥${(fen / 100).toFixed(2)}`;
}

function readable(order) {
  return Object.assign({}, order, {
    title: `${order.product.name} × ${order.quantity}`,
    price: priceOf(order.amount),
    statusText: STATUS[order.status] || order.status,
    when: order.createdAt.slice(0, 16).replace('T', ' '),
  });
}

module.exports = { priceOf, readable };
