// The server's address for each environment of the mini program. DevTools uses the reference app of this repository (`npm start`).
const BASE_URLS = {
  develop: 'http://localhost:3000',
  trial: 'https://test.example.com',
  release: 'https://api.example.com',
};

// The template id of the message that the server sends when an order is paid.
const ORDER_PAID_TEMPLATE = 'order-paid';

const { envVersion } = wx.getAccountInfoSync().miniProgram;

module.exports = { baseUrl: BASE_URLS[envVersion], orderPaidTemplate: ORDER_PAID_TEMPLATE };
