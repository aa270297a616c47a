import { ApiProperty } from '@nestjs/swagger';
import type { RequestPayment } from 'nestjs-wechat/pay';

/** Pass it to wx.requestPayment unchanged. */
export class RequestPaymentView implements RequestPayment {
  @ApiProperty({ description: 'Unix seconds' })
  timeStamp: string;

  @ApiProperty()
  nonceStr: string;

  @ApiProperty()
  package: string;

  @ApiProperty({ enum: ['RSA'] })
  signType: 'RSA';

  @ApiProperty({ description: "Signed with the merchant's private key" })
  paySign: string;

  static readonly example = {
    timeStamp: '1795420800',
    nonceStr: '5K8264ILTKCH16CQ2502SI8ZNMTM67VS',
    package: 'prepay_id=wx201620122610400026591234567890',
    signType: 'RSA',
    paySign: 'oR9d8PuhnIc+YZ8cBHFCwfgpaK9gd7vaRvkYD7rthRAZ…',
  };
}
