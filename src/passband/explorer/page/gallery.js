// Images to choose from: all, flips, uploads.

import { draw } from "./pictures.js";
import * as source from "./source.js";

const PAGE = 24;

/** `choose` is told an image, and a radius where one is meant. */
export function makeGallery(facts, choose, complain) {
  const [box, note, back, forward] = ["thumbs", "list-note", "back", "forward"].map((id) => document.getElementById(id));
  const tabs = { all: document.getElementById("list-all"), flips: document.getElementById("list-flips") };
  const all = facts.images ?? Array.from({ length: facts.count }, (_, index) => index);
  let list = all.map((index) => ({ index }));
  let which = "all";
  let start = 0;
  let chosen = null;
  let asked = 0;

  async function show() {
    const few = list.slice(start, start + PAGE);
    back.disabled = start === 0;
    forward.disabled = start + PAGE >= list.length;
    const mine = ++asked;
    if (!few.length) return box.replaceChildren();
    const found = await source.thumbs(few.map((each) => each.index));
    if (mine !== asked) return; // another page was asked for meanwhile
    box.replaceChildren(...few.map((each, i) => button(each, found.images[i], found)));
    mark();
  }

  function button(each, image, { size, channels }) {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.image = each.index;
    const label = facts.classes[image.label];
    const canvas = document.createElement("canvas");
    draw(canvas, image.pixels, size, channels);
    const words = (each.radius == null ? [label] : [label, `→ ${each.lfc}`]).map((text) => Object.assign(document.createElement("span"), { textContent: text }));
    made.setAttribute("aria-label", each.radius == null ? `image ${each.index}: ${label}` : `image ${each.index}: ${label}, whose LFC at radius ${each.radius} is taken for ${each.lfc}`);
    made.title = made.getAttribute("aria-label");
    made.append(canvas, ...words);
    made.addEventListener("click", () => choose(each.index, each.radius));
    return made;
  }

  function mark() {
    for (const each of box.children) {
      const pressed = Number(each.dataset.image) === chosen;
      each.setAttribute("aria-pressed", String(pressed));
      const left = each.offsetLeft - box.offsetLeft; // scrolled to here, and not with the whole page
      if (pressed && (left < box.scrollLeft || left + each.offsetWidth > box.scrollLeft + box.clientWidth)) box.scrollLeft = left - box.clientWidth / 2;
    }
  }

  async function select(name, amplitude) {
    which = name;
    start = 0;
    for (const [key, tab] of Object.entries(tabs)) tab.setAttribute("aria-pressed", String(key === name));
    if (name === "all") {
      list = all.map((index) => ({ index }));
      note.textContent = "";
    } else {
      note.textContent = "Looking for flips …";
      const mine = ++asked;
      const found = facts.flips ?? (await source.flips(amplitude));
      if (mine !== asked || which !== "flips") return;
      list = found.flips.map(({ sample, radius, lfc }) => ({ index: sample, radius, lfc }));
      note.textContent = flipWords(found, list.length);
    }
    await show();
  }

  const tried = (work) => work.catch((error) => { note.textContent = ""; complain(error); });
  back.addEventListener("click", () => { start = Math.max(0, start - PAGE); tried(show()); });
  forward.addEventListener("click", () => { start += PAGE; tried(show()); });
  tabs.all.addEventListener("click", () => tried(select("all")));
  if (facts.count === 0) for (const each of [box, back, forward, ...Object.values(tabs)]) each.hidden = true;

  return {
    /** List flips under a policy. */
    onFlips(amplitude) { tabs.flips.addEventListener("click", () => tried(select("flips", amplitude()))); },
    /** List flips anew if they are listed: they are others under another policy. */
    refresh(amplitude) { if (which === "flips" && !facts.flips) tried(select("flips", amplitude)); },
    mark(index) { chosen = index; mark(); },
    /** Show the page that has an image. */
    begin(index) {
      start = Math.max(0, Math.floor(list.findIndex((each) => each.index === index) / PAGE) * PAGE);
      return tried(show());
    },
  };
}

function flipWords(found, listed) {
  const clear = [...found.radii].sort((one, other) => other.flips - other.by_chance - (one.flips - one.by_chance))[0];
  const best = clear ? ` At radius ${clear.radius}, where they stand out most, ${clear.flips} images do so; by chance about ${clear.by_chance} would.` : "";
  return `${listed} of them, the surest first: the model is right on the whole image and on its HFC, and wrong on its LFC. Looked for in the first ${found.looked_at} images.${best}`;
}
