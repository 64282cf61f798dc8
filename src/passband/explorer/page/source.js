// Where everything comes from: a server that computes it, or files that were written beforehand.

import { readFrames } from "./wire.js";

export const served = document.documentElement.dataset.served === "true";

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(served ? "The server does not answer. Is passband explore still running?" : "A file of this page cannot be read.");
  }
  if (answer.ok) return answer;
  let said = `${answer.status} ${answer.statusText}`;
  try { said = (await answer.json()).error ?? said; } catch { /* what is no JSON has no more to say */ }
  throw new Error(said);
}

export async function about() {
  return (await ask(served ? "api/about" : "data/about.json")).json();
}

/** Return index, label, size and pixels of some images. */
export async function thumbs(indices) {
  const answer = await ask(served ? `api/thumbs?images=${indices.join(",")}` : "data/thumbs.bin");
  let found = null;
  await readFrames(answer.body, (header, payload) => {
    let at = 0;
    found = {
      ...header,
      images: header.images.map(([index, label], i) => {
        const size = header.sizes?.[i] ?? header.size;
        const pixels = payload.subarray(at, (at += size[0] * size[1] * header.channels));
        return { index, label, size, pixels };
      }),
    };
  });
  if (!served) found.images = indices.map((index) => found.images.find((each) => each.index === index));
  return found;
}

export async function flips(amplitude) {
  return (await ask(`api/flips?amplitude=${amplitude}`)).json();
}

/** Call `take` for each frame of what is looked at, until all have come or `signal` says that nobody waits any more. */
export async function look(state, take, signal) {
  if (served) {
    const answer = await ask(`api/look?${new URLSearchParams(state)}`, { signal });
    return readFrames(answer.body, take);
  }
  const answer = await ask(`data/${Number(state.image)}-${encodeURIComponent(state.cut ?? "radius")}.bin`, { signal });
  return readFrames(answer.body.pipeThrough(new DecompressionStream("gzip")), take);
}

export async function upload(file, limits) {
  if (file.size > limits.bytes) throw new Error(`A picture has at most ${limits.bytes / 2 ** 20} MiB here, and this one has ${(file.size / 2 ** 20).toFixed(1)}.`);
  const answer = await ask(`api/upload?${new URLSearchParams({ name: file.name })}`, { method: "POST", body: file });
  return answer.json();
}
