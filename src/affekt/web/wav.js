// RIFF WAVE, PCM 16 bit, mono: the form that every program reads.

/** The bytes of a WAV file as a Blob; samples is an Int16Array. */
export function wav(samples, rate = 16000) {
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
  const bytes = samples.length * 2;
  text(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  text(8, "WAVE");
  text(12, "fmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // mono
  head.setUint32(24, rate, true);
  head.setUint32(28, rate * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, bytes, true);
  return new Blob([head.buffer, littleEndian(samples)], { type: "audio/wav" });
}

/** The samples as little-endian bytes, whatever this machine's order is. */
export function littleEndian(samples) {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0]) return samples;
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  samples.forEach((x, i) => view.setInt16(2 * i, x, true));
  return view.buffer;
}
