// The server's address for each environment of the mini program. DevTools uses the reference app of this repository (`npm start`).
const BASE_URLS = {
  develop: 'http://localhost:3000',
  trial: 'https://test.example.com',
  release: 'https://api.example.com',
};

// The template of the message that an order is paid, from 订阅消息 → 我的模板. The sandbox of `npm start` has the first one.
const ORDER_PAID_TEMPLATES = {
  develop: 'Sandbox_order_paid_0000000000000000000000000',
  trial: 'ID_OF_YOUR_TEMPLATE',
  release: 'ID_OF_YOUR_TEMPLATE',
};

const { envVersion } = wx.getAccountInfoSync().miniProgram;

module.exports = {
  baseUrl: BASE_URLS[envVersion],
  orderPaidTemplate: ORDER_PAID_TEMPLATES[envVersion],
};
