import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { Provider } from '@nestjs/common';
import { withHiddenOptions } from '../hide-secrets.js';
import { withHiddenPaySecrets } from './pay.options.js';
import type { WechatPayOptions } from './pay.options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<WechatPayOptions>({ moduleName: 'WechatPay' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createWechatPayOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      providers: definition.providers?.map(hideOptions),
      global: isGlobal,
    }))
    .build();

function hideOptions(provider: Provider): Provider {
  return withHiddenOptions<WechatPayOptions | undefined>(
    provider,
    MODULE_OPTIONS_TOKEN,
    withHiddenPaySecrets,
  );
}
