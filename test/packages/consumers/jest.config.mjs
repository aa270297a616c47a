// The configuration from the manual, with one addition for this test.
import documented from './jest.documented.mjs';

export default {
  ...documented,
  moduleNameMapper: {
    // The test imports the client's source files; here the path leads to the installed package.
    'libs/miniprogram-client/src/index\\.js$': 'nestjs-wechat-miniprogram',
    ...documented.moduleNameMapper,
  },
};
