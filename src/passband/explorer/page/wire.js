// Frames as they come: see passband/explorer/wire.py.

/** Call `take(header, payload)` for each frame of a stream of bytes. */
export async function readFrames(stream, take) {
  const reader = stream.getReader();
  let held = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    held = joined(held, value);
    let at = 0;
    for (;;) {
      if (held.length - at < 8) break;
      const lengths = new DataView(held.buffer, held.byteOffset + at, 8);
      const middle = at + 8 + lengths.getUint32(0, true);
      const end = middle + lengths.getUint32(4, true);
      if (held.length < end) break;
      const header = JSON.parse(new TextDecoder().decode(held.subarray(at + 8, middle)));
      take(header, held.slice(middle, end));
      at = end;
    }
    held = held.subarray(at);
  }
  if (held.length) throw new Error("The answer ended too early. Is passband explore still running?");
}

function joined(one, other) {
  if (!one.length) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
