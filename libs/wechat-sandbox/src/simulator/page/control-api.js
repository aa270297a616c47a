import { state, update } from './state.js';

/** The sandbox's control plane: what a person does to WeChat by hand. Every call is a JSON POST. */
async function post(path, body = {}) {
  const answer = await fetch(`/sandbox/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error);
  return json;
}

const setTime = (now) => update({ clockOffset: new Date(now).getTime() - Date.now() });

export const sandbox = {
  /** A tap on a user's phone, such as `login`. */
  act: (userId, action, fields) => post(`users/${userId}/${action}`, fields),
  advance: async (by) => setTime((await post('clock/advance', { by })).now),
  rotateSessionKey: (userId) => post(`users/${userId}/rotateSessionKey`),
  invalidateAccessToken: () => post('access-tokens/invalidate'),
  answerNextWith: (path, errcode) => post('next', { path, errcode }),
  /** Good, slow or dead, for every call until further notice. */
  async setMood(mood) {
    if (mood === 'well') await post('clear');
    if (mood === 'slow') await post('always', { path: '*', delay: '2s' });
    if (mood === 'dead') await post('always', { path: '*', reset: true });
    update({ mood });
  },
  async newUser() {
    const user = await post('users');
    update({ users: [...state.users, user], userId: user.id });
  },
};

/** Who and what there is. */
export async function learnWorld() {
  const [world, users] = await Promise.all(
    ['world', '/sandbox/users'].map(async (path) => (await fetch(path)).json()),
  );
  setTime(world.now);
  const known = users.some(({ id }) => id === state.userId);
  update({ world, users, userId: known ? state.userId : users[0]?.id });
}

/** Follows what is said between the three; after a pause the browser asks for what it has missed. */
export function followTraffic(onMessage) {
  const events = new EventSource('events');
  let run;
  events.addEventListener('run', ({ data }) => {
    if (run !== undefined && run !== data) location.reload(); // another sandbox, which knows nothing of these phones
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
