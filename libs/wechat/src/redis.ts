export { RedisStore } from './store/redis.store.js';
