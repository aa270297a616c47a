export { fakeSession, mockSessionGuard, setSession } from './testing/session.mocks.js';
export { describeWechatStore } from './testing/store.suite.js';
export type { StoreUnderTest } from './testing/store.suite.js';
