import { Logger } from '@nestjs/common';
import type { FactoryProvider } from '@nestjs/common';
import type { Telemetry } from './telemetry.js';

/** Every version 1 of `@opentelemetry/api` sets it when an SDK registers, so that all copies of the package share the SDK. */
const SDK = Symbol.for('opentelemetry.js.api.1');

/** Telemetry, or `undefined` without `@opentelemetry/api`: an application without an SDK does not need the package. */
export const telemetryProvider: FactoryProvider<Telemetry | undefined> = {
  provide: Symbol('nestjs-wechat:telemetry'),
  useFactory: async () => {
    try {
      const { Telemetry } = await import('./telemetry.js');
      return new Telemetry();
    } catch (error) {
      if (!isApiMissing(error as NodeJS.ErrnoException)) throw error;
      if (SDK in globalThis)
        new Logger('WechatModule').warn(
          'An OpenTelemetry SDK is started, but nestjs-wechat finds no @opentelemetry/api, so it records nothing. Run: npm install @opentelemetry/api',
        );
      return undefined;
    }
  },
};

function isApiMissing({ code, message }: NodeJS.ErrnoException): boolean {
  return /^(ERR_)?MODULE_NOT_FOUND$/.test(code ?? '') && message.includes('@opentelemetry/api');
}
