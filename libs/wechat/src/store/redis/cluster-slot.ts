const SLOTS = 16_384;
const CRC16_XMODEM = 0x1021;

/**
 * Returns the Redis Cluster slot of a key: CRC16 of the key, or of the text within its first braces.
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
 */
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
