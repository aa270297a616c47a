import type { PropsWithChildren } from 'react';
import { useDidHide, useDidShow } from '@tarojs/taro';
import { session } from './session';

export default function App({ children }: PropsWithChildren) {
  useDidShow(() => session.onShow());
  useDidHide(() => session.onHide());
  return children;
}
