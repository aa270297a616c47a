// Where the server is, by how the mini program runs. In DevTools the sample server of this repository (`npm start`) answers.
const BASE_URLS = {
  develop: 'http://localhost:3000',
  trial: 'https://test.example.com',
  release: 'https://api.example.com',
};

const { envVersion } = wx.getAccountInfoSync().miniProgram;

module.exports = { baseUrl: BASE_URLS[envVersion] };
