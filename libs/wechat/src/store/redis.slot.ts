const SLOTS = 16_384;
const CRC16_XMODEM = 0x1021;

/** The slot of a Redis Cluster that a key lies in: CRC16 of the key, or of what stands between its first braces. */
export function slotOf(key: string): number {
  const hashed = /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = (crc & 0x8000 ? (crc << 1) ^ CRC16_XMODEM : crc << 1) & 0xffff;
  }
  return crc % SLOTS;
}
