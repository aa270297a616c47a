/** Makes a promise of no value, or ignores a failure that another promise reports. */
export function nothing(): void {
  // there is nothing to do
}
