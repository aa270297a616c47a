const JPEG = { start: Buffer.from('ffd8ff', 'hex'), end: Buffer.from('ffd9', 'hex') };
const PNG = {
  start: Buffer.from('89504e470d0a1a0a', 'hex'),
  end: Buffer.from('49454e44ae426082', 'hex'),
};

/**
 * Returns the type of a complete JPEG or PNG image, read from its first and last bytes.
 * @returns `undefined` for any other data, also for a truncated image
 */
export function imageTypeOf(data: Buffer): 'image/jpeg' | 'image/png' | undefined {
  if (isComplete(data, JPEG)) return 'image/jpeg';
  return isComplete(data, PNG) ? 'image/png' : undefined;
}

function isComplete(data: Buffer, { start, end }: { start: Buffer; end: Buffer }): boolean {
  return (
    data.length > start.length + end.length &&
    data.subarray(0, start.length).equals(start) &&
    data.subarray(-end.length).equals(end)
  );
}
