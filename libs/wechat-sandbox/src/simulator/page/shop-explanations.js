/** Explains the steps of the shop, like EXPLANATIONS. `{id}` is the id of an order, `{number}` its number. */
export const SHOP_EXPLANATIONS = {
  'POST /orders': [
    [
      '小程序只说要什么，不说价格。Idempotency-Key 让重试不会多下一单。',
      'The mini program says what it wants and no price. With the Idempotency-Key a retry makes no second order.',
    ],
    ['价格由服务器决定，单位是分。', 'The server sets the price, in whole fen.'],
  ],
  'POST /orders/{id}/pay': [
    ['小程序请求支付参数。', 'The mini program requests the parameters of wx.requestPayment.'],
    [
      '参数由服务器用商户私钥签名，小程序原样交给微信。',
      'The server has signed them with the merchant’s private key. The mini program passes them on unchanged.',
    ],
  ],
  'POST /v3/pay/transactions/jsapi': [
    [
      '服务器向微信支付下单：金额、openid、通知地址。',
      'The server places the order at WeChat Pay: amount, openid, address of the notifications.',
    ],
    ['prepay_id 代表这次支付。', 'The prepay_id stands for this payment.'],
  ],
  'wx.requestPayment': [
    ['用户在收银台上做了决定。', 'The user has decided in the pay sheet.'],
    [
      '这个结果可能丢失，也可能是假的，所以服务器不相信它。',
      'This result may be lost or forged, so the server does not rely on it.',
    ],
  ],
  'POST /orders/{id}/sync': [
    [
      '无论收银台返回什么，小程序都请服务器去问微信支付。',
      'Whatever the pay sheet returned, the mini program asks the server to query WeChat Pay.',
    ],
    ['订单现在的状态。', 'The order as it is now.'],
  ],
  'GET /v3/pay/transactions/out-trade-no/{number}': [
    [
      '服务器查询订单，不必等通知。',
      'The server queries the order and does not wait for the notification.',
    ],
    [
      '响应有微信支付的签名。SUCCESS 而且金额等都相符，订单才变成已付款。',
      'WeChat Pay has signed the response. With SUCCESS and the right amount the order becomes paid.',
    ],
  ],
  'TRANSACTION.SUCCESS': [
    [
      '微信支付通知服务器：已付款。内容加密，并有签名。没有收到 200 或 204 就会再发。',
      'WeChat Pay notifies the server of the payment, encrypted and signed. It sends it again until it gets 200 or 204.',
    ],
    [
      '204：签名正确，已处理。重复的通知不再改变什么。',
      '204: the signature is right and the notification is processed. A repeat changes nothing.',
    ],
  ],
  'REFUND.SUCCESS': [
    [
      '微信支付通知服务器：钱已退回。',
      'WeChat Pay notifies the server that the money is returned.',
    ],
    ['订单变成已退款。', 'The order becomes refunded.'],
  ],
  'POST /v3/refund/domestic/refunds': [
    [
      '服务器先保存退款单号，再发请求，所以重试不会退两次。',
      'The server stores the refund number before the request, so a retry refunds only once.',
    ],
    [
      '微信支付已受理，几秒钟后完成。',
      'WeChat Pay has accepted it and completes it some seconds later.',
    ],
  ],
  'POST /orders/{id}/pickup': [
    [
      '咖啡交给顾客。服务器先问微信支付：这笔付款是否已在商户平台退款。',
      'The customer gets the coffee. First the server asks WeChat Pay whether the merchant console has refunded the payment.',
    ],
    [
      '订单变成已取货。发货信息随后上传，取货不等待它。',
      'The order is picked up. The shipping information is uploaded later, and the pick-up does not wait for it.',
    ],
  ],
  'POST /wxa/sec/order/is_trade_managed': [
    [
      '服务器询问：这个小程序是否需要上传发货信息。',
      'The server asks whether this mini program has to upload shipping information.',
    ],
    ['需要时，服务器才上传。', 'The server uploads it only if it has to.'],
  ],
  'POST /wxa/sec/order/upload_shipping_info': [
    [
      '服务器告诉微信：用户已自提。没有发货信息，微信不会结算这笔钱。',
      'The server tells WeChat that the user has picked up the goods. Without it WeChat does not settle the money.',
    ],
    [
      '微信已记录。再次上传会用掉唯一一次更正机会，所以响应丢失时服务器先查询。',
      'WeChat has stored it. Another upload uses the only correction, so after a lost response the server queries first.',
    ],
  ],
};
