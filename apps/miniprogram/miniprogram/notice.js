// The texts that users see for errors. For any other error the server's own text is shown.
const TEXTS = {
  ERR_NETWORK: '网络不通 · No network',
  ERR_SIGNED_OUT: '请先登录 · Please log in',
  ERR_WECHAT_SESSION: '请重新登录 · Please log in again',
  ERR_WECHAT_CODE: '请再试一次 · Please try again',
  ERR_WECHAT_BLOCKED: '账号受限 · Account restricted',
  ERR_WECHAT_RATE_LIMIT: '操作太频繁 · Too many attempts',
  ERR_WECHAT_UNAVAILABLE: '服务繁忙 · Service is busy',
  ERR_STORE_UNAVAILABLE: '服务繁忙 · Service is busy',
  ERR_CONTENT_REFUSED: '内容不合规 · The content is not allowed',
  ERR_CONTENT_CHECKING: '还在检查 · Still being checked',
  ERR_CONTENT_UNSUPPORTED: '请用 mp3 · Please use mp3',
  ERR_CONTENT_BLOCKED: '已屏蔽 · Blocked',
  ERR_ORDER_LIMIT: '待支付订单过多 · Too many unpaid orders',
  ERR_ORDER_STATE: '订单状态已变化 · The order has changed',
  ERR_PAY_REFUND: '退款被拒绝 · The refund was refused',
  ERR_PHONE_TAKEN: '手机号已被使用 · Phone in use',
};

function succeeded(title) {
  wx.showToast({ title, icon: 'success' });
}

function failed(error) {
  wx.showToast({ title: TEXTS[error.error] || error.message, icon: 'none' });
}

module.exports = { succeeded, failed };
