const RATE = 16_000;

/** Creates a WAV file with a soft tone, in place of a recording. */
export function createWavFile(milliseconds = 1000, hertz = 440) {
  const samples = Math.round((RATE * milliseconds) / 1000);
  const view = new DataView(new ArrayBuffer(44 + samples * 2));
  writeHeader(view, samples * 2);
  for (let i = 0; i < samples; i++) {
    const fade = Math.min(1, i / 800, (samples - i) / 800); // avoids a click at both ends
    view.setInt16(44 + i * 2, Math.sin((2 * Math.PI * hertz * i) / RATE) * fade * 9000, true);
  }
  return new Blob([view], { type: 'audio/wav' });
}

/** Writes the header of 44 bytes: RIFF, the format (PCM, mono, 16 bit), the length of the data. */
function writeHeader(view, dataLength) {
  const text = (offset, letters) =>
    [...letters].forEach((letter, i) => view.setUint8(offset + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + dataLength, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, dataLength, true);
}
