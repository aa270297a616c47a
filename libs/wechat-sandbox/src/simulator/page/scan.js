import { miniProgramOf } from './mini-program.js';
import { ownFetch } from './own-fetch.js';
import { state, update } from './state.js';

/** Someone else holds the second phone: whoever is chosen for it, else the first who does not hold the first one. */
export function scanner() {
  const others = state.users.filter(({ id }) => id !== state.userId);
  return others.find(({ id }) => id === state.scannerId) ?? others[0];
}

/** Holds the second phone before the code that the first one shows. */
export function scanOnSecondPhone(image) {
  update({ device: 'second', image });
  return scan();
}

/** The sandbox has drawn the code, so it can read it, as WeChat's scanner would. */
export async function scan() {
  const answer = await ownFetch('scan', {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: state.image,
  });
  const scanned = answer.status === 200 ? await answer.json() : undefined;
  const user = scanner();
  update({ scanned: scanned && user ? { userId: user.id } : 'unknown' });
  if (scanned && user) await miniProgramOf(user.id).openByCode(scanned);
}
