// The statuses of content that WeChat checks: a name, a picture, a recording.
const STATUSES = {
  checking: '检查中 · Checking',
  ok: '已通过 · OK',
  review: '待人工审核 · In review',
  blocked: '已屏蔽 · Blocked',
  unchecked: '未检查 · Not checked',
};

// An older mini program shows a status that it does not know as it is.
const statusText = (status) => STATUSES[status] || status;

module.exports = { statusText };
