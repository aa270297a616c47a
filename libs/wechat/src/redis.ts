export { RedisStore } from './store/redis/redis.store.js';
