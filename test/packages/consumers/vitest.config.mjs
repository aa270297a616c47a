import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globals: true,
    include: ['test/**/*.spec.ts'],
    // The test imports the client's source files; here the path leads to the installed package.
    alias: [
      {
        find: /^.*\/libs\/miniprogram-client\/src\/index\.js$/,
        replacement: 'nestjs-wechat-miniprogram',
      },
    ],
  },
});
