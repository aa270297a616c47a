// Nest 12 and nestjs-wechat are ESM-only, and jest cannot require() ESM before Node 24.9: swc turns them into CommonJS.
const ESM_ONLY = ['@nestjs', 'nestjs-wechat', 'nestjs-wechat-sandbox', 'cookie', 'file-type'];
const swc = (parser) => [
  '@swc/jest',
  {
    jsc: { target: 'es2022', parser, transform: { legacyDecorator: true, decoratorMetadata: true }, keepClassNames: true },
    module: { type: 'commonjs' },
  },
];

module.exports = {
  testEnvironment: 'node',
  testRegex: '\\.spec\\.ts$',
  transform: { '\\.ts$': swc({ syntax: 'typescript', decorators: true }), '\\.m?js$': swc({ syntax: 'ecmascript' }) },
  transformIgnorePatterns: [`/node_modules/(?!(${ESM_ONLY.join('|')})/)`],
  moduleNameMapper: {
    // In the repository the test takes the client from its sources; a team has it from npm.
    'libs/miniprogram-client/src/index\\.js$': 'nestjs-wechat-miniprogram',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
};
