// The configuration that the manual shows, and the one thing that only this test needs.
import documented from './jest.documented.mjs';

export default {
  ...documented,
  moduleNameMapper: {
    // In the repository the test takes the client from its sources; a team has it from npm.
    'libs/miniprogram-client/src/index\\.js$': 'nestjs-wechat-miniprogram',
    ...documented.moduleNameMapper,
  },
};
