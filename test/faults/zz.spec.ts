import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { TestRedis } from '../support/redis.js';
import { Connections, startMembers } from './team.js';
it('counts', async () => {
  const [redis, wechat] = await Promise.all([TestRedis.start(), startWechatSandbox()]);
  const connections = await Connections.open(redis.url, wechat, 4);
  const members = await startMembers(wechat, connections);
  for (let t = 0; t < 5; t++) {
    const user = wechat.users.create();
    const codes = await Promise.all(Array.from({ length: 50 }, async () => (await user.login()).code));
    await redis.run('CONFIG', 'RESETSTAT');
    const at = performance.now();
    const r = await Promise.allSettled(codes.map((code, i) => members[i % 4]!.sessions.login(code)));
    const ms = performance.now() - at;
    const stats = String(await redis.run('INFO', 'commandstats')).match(/cmdstat_(get|set|evalsha|del):calls=\d+/g);
    process.stderr.write(`${Math.round(ms)} ms ok=${r.filter((x) => x.status === 'fulfilled').length} ${stats?.join(' ')}\n`);
  }
  await Promise.all(members.map((m) => m.close()));
  await connections.close(); await wechat.close(); await redis.end();
});
