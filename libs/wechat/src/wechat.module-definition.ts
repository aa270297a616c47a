import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { WechatModuleOptions } from './wechat.options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<WechatModuleOptions>({
    moduleName: 'Wechat',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createWechatOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      global: isGlobal,
    }))
    .build();
