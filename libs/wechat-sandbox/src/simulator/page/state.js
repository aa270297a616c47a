/** All that the page knows. Views read it, actions change it through `update`. */
export const state = {
  lang: rememberedLanguage(),
  /** What GET world says: the apps, the server's address. */
  world: { apps: [] },
  /** The sandbox's time minus this machine's, in milliseconds. */
  clockOffset: 0,
  /** WeChat's users, as the control plane shows them. */
  users: [],
  userId: undefined,
  /** The phone of each user by id: what its mini program holds. */
  phones: new Map(),
  device: 'phone',
  /** What the second phone has scanned. */
  scanned: undefined,
  website: { stage: 'start' },
  /** Everything that was said, by number. */
  messages: new Map(),
  /** Messages up to this number were swept away. */
  sweptUpTo: 0,
  mood: 'well',
  /** The last thing done with the controls, told once. */
  notice: '',
  tour: { step: 0, done: new Set() },
  connected: true,
};

/** The sandbox's time, in milliseconds. */
export const now = () => Date.now() + state.clockOffset;

/** The phone of a user; it starts empty. */
export function phoneOf(userId) {
  if (!state.phones.has(userId))
    state.phones.set(userId, {
      userId,
      session: undefined,
      me: undefined,
      result: undefined,
      busy: '',
    });
  return state.phones.get(userId);
}

const STORAGE = 'simulator-phones';

/** As `wx.setStorage` does: what a mini program keeps survives its restart, a reload of this page. */
export function storePhones() {
  const phones = [...state.phones.values()].map(({ userId, session, me }) => ({
    userId,
    session,
    me,
  }));
  sessionStorage.setItem(STORAGE, JSON.stringify({ userId: state.userId, phones }));
}

export function restorePhones() {
  const { userId, phones } = JSON.parse(sessionStorage.getItem(STORAGE) ?? '{"phones":[]}');
  for (const kept of phones) Object.assign(phoneOf(kept.userId), kept);
  state.userId = userId;
}

export const currentPhone = () => phoneOf(state.userId);

export const miniProgram = () => state.world.apps.find(({ kind }) => kind === 'mini-program') ?? {};

const listeners = [];
let scheduled = false;

export const onChange = (listener) => listeners.push(listener);

/** Changes the state and has the page drawn once for all changes until the next frame. */
export function update(change = {}) {
  Object.assign(state, change);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener();
  });
}

export function setLanguage(lang) {
  update({ lang });
  try {
    localStorage.setItem('simulator-language', lang);
  } catch {
    // a browser that keeps nothing asks again next time
  }
}

function rememberedLanguage() {
  try {
    const kept = localStorage.getItem('simulator-language');
    if (kept === 'zh' || kept === 'en') return kept;
  } catch {
    // as above
  }
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
