import { ShippingService } from 'nestjs-wechat';
import { PaymentService, RefundService } from 'nestjs-wechat/pay';
import { AccountPushes } from '../../../apps/sample/src/account/account-pushes.js';
import { createApp } from '../../../apps/sample/src/app.js';
import { readConfig } from '../../../apps/sample/src/config.js';
import { StoredFiles } from '../../../apps/sample/src/files/stored-files.js';
import { OrderSteps } from '../../../apps/sample/src/shop/order-steps.js';

/** The reference app in its own process, which ends itself by SIGKILL before or after the first call of one method. */
const { env, skewMs, killAt } = JSON.parse(process.argv[2] ?? '{}') as {
  env: Record<string, string>;
  /** How far the clock of the orders is ahead, in milliseconds. */
  skewMs: number;
  /** Such as `OrderSteps.pay after`. */
  killAt?: string;
};

type Method = (...parameters: unknown[]) => Promise<unknown>;

const CLASSES: Record<string, { prototype: object }> = {
  AccountPushes,
  OrderSteps,
  PaymentService,
  RefundService,
  ShippingService,
  StoredFiles,
};

function killProcess(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

function armKill(point: string): void {
  const [, className = '', name = '', when] = /^(\w+)\.(\w+) (before|after)$/.exec(point) ?? [];
  const prototype = CLASSES[className]?.prototype as Record<string, Method>;
  const method = prototype[name]!;
  prototype[name] = async function (...parameters) {
    if (when === 'before') await killProcess();
    const result = await method.apply(this, parameters);
    return when === 'after' ? killProcess() : result;
  };
}

if (killAt !== undefined) armKill(killAt);
const config = readConfig(env);
config.wechat.clock = () => Date.now() + skewMs;
const app = await createApp(config);
await app.listen(config.port, '127.0.0.1');
process.send?.({ url: await app.getUrl() });
