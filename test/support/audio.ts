/** Silence of any length in the formats that `wx.getRecorderManager` records, built frame by frame. */

/** 8 bit, mono. @param kHz the sample rate */
export function wav(ms: number, kHz = 8): Buffer {
  const samples = Buffer.alloc(ms * kHz, 0x80);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // channels
  header.writeUInt32LE(kHz * 1000, 24);
  header.writeUInt32LE(kHz * 1000, 28); // bytes a second
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

/** MPEG-1 layer III, 32 kbit/s, 32 kHz, mono: frames of 144 bytes and 36 ms. */
export function mp3(ms: number): Buffer {
  const frame = Buffer.alloc(144);
  frame.set([0xff, 0xfb, 0x18, 0xc0]);
  return repeat(frame, ms / 36);
}

/** An ID3v2.3 tag with many comments. Files for music players have a few. */
export function id3(bytes: number): Buffer {
  const comment = Buffer.from('COMM\0\0\0\x08\0\0\0eng\0abc', 'latin1');
  const comments = repeat(comment, bytes / comment.length);
  const size = [21, 14, 7, 0].map((shift) => (comments.length >> shift) & 127);
  return Buffer.concat([Buffer.from('ID3\x03\0\0', 'latin1'), Buffer.from(size), comments]);
}

/** A wav file with a tag before its audio. */
export function taggedWav(ms: number, tag: Buffer): Buffer {
  const sound = wav(ms);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(tag.length);
  return Buffer.concat([sound.subarray(0, 36), Buffer.from('id3 '), size, tag, sound.subarray(36)]);
}

/** ADTS frames of AAC-LC, 8 kHz, mono: 200 bytes and 128 ms. */
export function aac(ms: number): Buffer {
  const frame = Buffer.alloc(200);
  frame.set([
    0xff,
    0xf1,
    0x6c,
    0x40 | (frame.length >> 11),
    (frame.length >> 3) & 0xff,
    ((frame.length & 7) << 5) | 0x1f,
    0xfc,
  ]);
  return repeat(frame, ms / 128);
}

/** AAC in MP4. @param brand `M4A ` as iOS writes it; Android writes `mp42` or `isom` */
export function m4a(ms: number, brand = 'M4A ', handler: 'soun' | 'vide' = 'soun'): Buffer {
  const sample = Buffer.concat([
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(8),
    u16(1),
    u16(16),
    u32(0),
    u32(8000 << 16),
  ]);
  const picture = Buffer.concat([Buffer.alloc(6), u16(1), Buffer.alloc(70)]);
  const entry = handler === 'soun' ? box('mp4a', sample) : box('avc1', picture);
  const stbl = box(
    'stbl',
    full('stsd', u32(1), entry),
    full('stts', u32(1), u32(Math.round(ms / 128)), u32(1024)),
    full('stsc', u32(1), u32(1), u32(1), u32(1)),
    full('stsz', u32(200), u32(Math.round(ms / 128))),
    full('stco', u32(0)),
  );
  const times = [u32(0), u32(0), u32(1000), u32(ms)];
  const mdia = box(
    'mdia',
    full('mdhd', u32(0), u32(0), u32(8000), u32(ms * 8), u32(0)),
    full('hdlr', u32(0), Buffer.from(handler), Buffer.alloc(13)),
    box('minf', stbl),
  );
  const trak = box(
    'trak',
    full('tkhd', u32(0), u32(0), u32(1), u32(0), u32(ms), Buffer.alloc(60)),
    mdia,
  );
  const moov = box(
    'moov',
    full('mvhd', ...times, u32(0x10000), u16(0x100), Buffer.alloc(70), u32(2)),
    trak,
  );
  return Buffer.concat([
    box('ftyp', Buffer.from(brand), u32(0), Buffer.from(brand)),
    moov,
    box('mdat', Buffer.alloc(ms)),
  ]);
}

function repeat(frame: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: Math.ceil(times) }, () => frame));
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function box(type: string, ...contents: Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

/** A box with version 0 and no flags. */
function full(type: string, ...contents: Buffer[]): Buffer {
  return box(type, u32(0), ...contents);
}
