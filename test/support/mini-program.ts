import { join } from 'node:path';
import * as client from '../../libs/miniprogram-client/src/index.js';
import type { Phone } from '../../libs/miniprogram-client/test-support/wx-shim.js';

/** A page of `apps/miniprogram` with its data and handlers. */
export interface Page {
  data: Record<string, any>;
  setData(data: object): void;
  [handler: string]: any;
}

/** Loads a page of `apps/miniprogram` as WeChat does: in a new program with the globals `wx` and `Page`. */
export function openPage(phone: Phone, path: string, query: object = {}): Page {
  let page: Page | undefined;
  Object.assign(globalThis, {
    wx: phone.wx,
    Page: (given: Page) =>
      (page = {
        ...given,
        data: { ...given.data },
        setData: (data) => void Object.assign(page?.data ?? {}, data),
      }),
  });
  jest.isolateModules(() => {
    jest.doMock('nestjs-wechat-miniprogram', () => client, { virtual: true });
    require(join(__dirname, '../../apps/miniprogram/miniprogram', path));
  });
  if (!page) throw new Error(`${path} calls no Page()`);
  page['onLoad']?.(query);
  return page;
}
