import Taro from '@tarojs/taro';
import { askToSubscribe } from 'nestjs-wechat-miniprogram';
import { session } from './session';

export interface Order {
  id: string;
  status: string;
}

/** Returns the order as the server knows it when the pay sheet is closed. It may be unpaid. */
export const pay = (order: Order) => session.pay(order);

/** Call it directly in a tap handler. One consent allows one message. */
export async function askForOrderNews(templateId: string): Promise<boolean> {
  const results = await askToSubscribe([templateId], { wx: Taro });
  return results[templateId] === 'accept';
}
