const { TestEnvironment } = require('jest-environment-node');
const { isNativeError } = require('node:util/types');

/** jest's environment for Node, with `requireShared` for shared-package.mjs. */
module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.requireShared = (path) => require(path); // not `require` itself: jest deletes the properties of globals
    acceptErrorsOfNode(this.global.Error);
  }
};

/** Errors of Node and of shared packages are created outside of the test's realm, whose `Error` is another class. */
function acceptErrorsOfNode(ErrorOfTest) {
  const ordinary = Function.prototype[Symbol.hasInstance];
  Object.defineProperty(ErrorOfTest, Symbol.hasInstance, {
    value(value) {
      return ordinary.call(this, value) || (this === ErrorOfTest && isNativeError(value));
    },
  });
}
