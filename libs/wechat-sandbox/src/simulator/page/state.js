/** The state of the page. Views read it, and actions change it with `update`. */
export const state = {
  lang: rememberedLanguage(),
  /** The response of GET world: the apps and the server's address. */
  world: { apps: [] },
  /** The sandbox's time minus this machine's, in milliseconds. */
  clockOffset: 0,
  /** WeChat's users, as the control plane shows them. */
  users: [],
  userId: undefined,
  /** The phone of each user by id, with the data of its mini program. */
  phones: new Map(),
  device: 'phone',
  /** The result of the scan on the second phone. */
  scanned: undefined,
  website: { stage: 'start' },
  /** The messages of the diagram by number. */
  messages: new Map(),
  /** Messages up to this number are not shown any more. */
  clearedUpTo: 0,
  condition: 'well',
  /** The notice of the last action of the controls. */
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
      /** The actions of pressed buttons that run or wait, by name. */
      actions: new Map(),
      get busy() {
        return this.actions.size > 0;
      },
      /** The automatic reads that run or wait. */
      reads: [],
      /** Ends when all of them have ended. */
      lastTurn: Promise.resolve(),
      /** The open page of the shop. */
      shop: undefined,
      /** The open dialog of WeChat. */
      dialog: undefined,
      /** The number of messages that have arrived. */
      received: 0,
      /** The newest of them, until it is opened. */
      banner: undefined,
    });
  return state.phones.get(userId);
}

const STORAGE = 'simulator-phones';

/** Stores the data of the mini programs, as `wx.setStorage` does, so that they survive a reload of this page. */
export function storePhones() {
  const phones = [...state.phones.values()].map(({ userId, session, me, received }) => ({
    userId,
    session,
    me,
    received,
  }));
  sessionStorage.setItem(STORAGE, JSON.stringify({ userId: state.userId, phones }));
}

export function restorePhones() {
  const { userId, phones } = JSON.parse(sessionStorage.getItem(STORAGE) ?? '{"phones":[]}');
  for (const stored of phones) Object.assign(phoneOf(stored.userId), stored);
  state.userId = userId;
}

export const currentPhone = () => phoneOf(state.userId);

export const miniProgram = () => state.world.apps.find(({ kind }) => kind === 'mini-program') ?? {};

const listeners = [];
let scheduled = false;

export const onChange = (listener) => listeners.push(listener);

/** Changes the state. The page is drawn once per frame. */
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
    // without storage the page starts in the browser's language
  }
}

function rememberedLanguage() {
  try {
    const stored = localStorage.getItem('simulator-language');
    if (stored === 'zh' || stored === 'en') return stored;
  } catch {
    // as above
  }
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
