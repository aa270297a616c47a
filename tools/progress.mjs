// Progress of a command that takes longer than some seconds.

const PAUSE_MS = 5_000;

const running = new Set();
let ticker;

export function say(line) {
  process.stdout.write(`${line}\n`);
  ticker?.refresh();
}

/** Waits for work. While nothing else is printed, a line every five seconds says what is running and for how long. */
export async function track(name, work) {
  const task = { name, since: Date.now() };
  running.add(task);
  ticker ??= setInterval(() => say(`  … ${listOf([...running])}`), PAUSE_MS);
  try {
    return await work;
  } finally {
    running.delete(task);
    if (running.size === 0) ticker = clearInterval(ticker);
  }
}

/** Such as `lint (12 s), types (12 s)`. */
export const listOf = (tasks) =>
  tasks.map(({ name, since }) => `${name} (${durationSince(since)})`).join(', ');

/** Such as `42 s` or `9 min 5 s`. */
export function durationSince(since) {
  const seconds = Math.round((Date.now() - since) / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
