import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { Provider } from '@nestjs/common';
import { withHiddenOptions } from './hide-secrets.js';
import { withHiddenSecrets } from './wechat.options.js';
import type { WechatModuleOptions } from './wechat.options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<WechatModuleOptions>({ moduleName: 'Wechat' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createWechatOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      providers: definition.providers?.map(hideOptions),
      global: isGlobal,
    }))
    .build();

function hideOptions(provider: Provider): Provider {
  return withHiddenOptions<WechatModuleOptions>(provider, MODULE_OPTIONS_TOKEN, withHiddenSecrets);
}
