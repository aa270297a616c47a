const { content: token } = document.querySelector('meta[name=simulator-token]');

/** Like `fetch`, with the token that shows that the request comes from this page. */
export const ownFetch = (url, init = {}) =>
  fetch(url, { ...init, headers: { ...init.headers, 'simulator-token': token } });
