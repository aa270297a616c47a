import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globals: true,
    include: ['test/**/*.spec.ts'],
    // In the repository the test takes the client from its sources; a team has it from npm.
    alias: [
      {
        find: /^.*\/libs\/miniprogram-client\/src\/index\.js$/,
        replacement: 'nestjs-wechat-miniprogram',
      },
    ],
  },
});
