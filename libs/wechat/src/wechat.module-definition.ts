import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { Provider } from '@nestjs/common';
import { withHiddenSecrets } from './wechat.options.js';
import type { WechatModuleOptions } from './wechat.options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<WechatModuleOptions>({
    moduleName: 'Wechat',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createWechatOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      providers: definition.providers?.map(withoutPrintedSecrets),
      global: isGlobal,
    }))
    .build();

/** The provider of the options as they were passed, printed without secrets. */
function withoutPrintedSecrets(provider: Provider): Provider {
  if (typeof provider === 'function' || provider.provide !== MODULE_OPTIONS_TOKEN) return provider;
  if ('useValue' in provider)
    return { ...provider, useValue: withHiddenSecrets(provider.useValue as WechatModuleOptions) };
  if (!('useFactory' in provider)) return provider;
  const { useFactory } = provider;
  return {
    ...provider,
    useFactory: async (...args: unknown[]) =>
      withHiddenSecrets((await useFactory(...args)) as WechatModuleOptions),
  };
}
