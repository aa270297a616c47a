import { state, update } from './state.js';

/** Calls the control plane of the sandbox. Every call is a JSON POST. */
async function post(path, body = {}) {
  const response = await fetch(`/sandbox/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const json = await response.json();
  if (!response.ok) throw new Error(json.error);
  return json;
}

/** The messages on a user's phone, the oldest first. */
export const messagesOf = async (userId) =>
  (await fetch(`/sandbox/users/${userId}/messages`)).json();

const setTime = (now) => update({ clockOffset: new Date(now).getTime() - Date.now() });

export const sandbox = {
  /** Runs an action on a user's phone, for example `login`. */
  act: (userId, action, fields) => post(`users/${userId}/${action}`, fields),
  advance: async (by) => setTime((await post('clock/advance', { by })).now),
  rotateSessionKey: (userId) => post(`users/${userId}/rotateSessionKey`),
  invalidateAccessToken: () => post('access-tokens/invalidate'),
  /** Applies a fault to the next notification. */
  nextDelivery: (fault) => post('next-delivery', fault),
  /** Sends a forged notification that the order with this number is paid. */
  forge: (outTradeNo) => post('pay/forge', { outTradeNo }),
  setNextErrcode: (path, errcode) => post('next', { path, errcode }),
  /** Makes WeChat available, slow or unavailable for all calls, until the next change. */
  async setCondition(condition) {
    if (condition === 'well') await post('clear');
    if (condition === 'slow') await post('always', { path: '*', delay: '2s' });
    if (condition === 'dead') await post('always', { path: '*', reset: true });
    update({ condition });
  },
  async newUser() {
    const user = await post('users');
    update({ users: [...state.users, user], userId: user.id });
  },
};

/** Loads the apps, the users and the time. */
export async function loadWorld() {
  const [world, users] = await Promise.all(
    ['world', '/sandbox/users'].map(async (path) => (await fetch(path)).json()),
  );
  setTime(world.now);
  const known = users.some(({ id }) => id === state.userId);
  update({ world, users, userId: known ? state.userId : users[0]?.id });
}

/** Follows the messages of the diagram. After a reconnect the browser requests the missed messages. */
export function followTraffic(onMessage) {
  const events = new EventSource('events');
  let run;
  events.addEventListener('run', ({ data }) => {
    if (run !== undefined && run !== data) location.reload(); // another sandbox, which does not have these phones
    run = data;
    update({ connected: true });
  });
  events.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    const isNew = !state.messages.has(message.id);
    state.messages.set(message.id, message);
    update();
    if (isNew) onMessage(message);
  });
  events.addEventListener('error', () => update({ connected: false }));
}
