import { miniProgramOf } from './mini-program.js';
import { ownFetch } from './own-fetch.js';
import { state, update } from './state.js';

/** Returns the user of the second phone: the chosen one, else the first user who does not have the first phone. */
export function scanner() {
  const others = state.users.filter(({ id }) => id !== state.userId);
  return others.find(({ id }) => id === state.scannerId) ?? others[0];
}

/** Scans the code of the first phone with the second phone. */
export function scanOnSecondPhone(image) {
  update({ device: 'second', image });
  return scan();
}

/** Reads the contents of a code from the sandbox, which has drawn it. */
export async function scan() {
  const response = await ownFetch('scan', {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: state.image,
  });
  const scanned = response.status === 200 ? await response.json() : undefined;
  const user = scanner();
  update({ scanned: scanned && user ? { userId: user.id } : 'unknown' });
  if (scanned && user) await miniProgramOf(user.id).openByCode(scanned);
}
