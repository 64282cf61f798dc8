// Images to choose from: all, and lists of those worth jumping to.

import { draw } from "./pictures.js";
import * as source from "./source.js";

const PAGE = 24;

/** Let an image be chosen.
 *
 * `choose` is told an image, and a radius where one is meant; `describe` returns the words below a thumbnail and its whole name; `lists`
 * has, by the name of each list, what is said of it. `amplitude` returns the policy under which lists are looked for.
 */
export function makeGallery(facts, { choose, complain, describe, lists }, amplitude) {
  const [box, note, back, forward] = ["thumbs", "list-note", "back", "forward"].map((id) => document.getElementById(id));
  const tabs = Object.fromEntries(["all", ...Object.keys(lists)].map((name) => [name, document.getElementById(`list-${name}`)]));
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

  function button(each, image, { channels }) {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.image = each.index;
    const canvas = document.createElement("canvas");
    draw(canvas, image.pixels, image.size, channels);
    const { words, name } = describe(image, each);
    made.setAttribute("aria-label", name);
    made.title = name;
    made.append(canvas, ...words.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
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

  async function select(name) {
    which = name;
    start = 0;
    for (const [key, tab] of Object.entries(tabs)) tab.setAttribute("aria-pressed", String(key === name));
    if (name === "all") {
      list = all.map((index) => ({ index }));
      note.textContent = "";
    } else {
      note.textContent = "Looking for them …";
      const mine = ++asked;
      const found = facts.flips ?? (await source.flips(amplitude()));
      if (mine !== asked || which !== name) return;
      list = found.lists[name].map(({ sample, ...more }) => ({ index: sample, ...more }));
      note.textContent = lists[name](found);
    }
    await show();
  }

  const tried = (work) => work.catch((error) => { note.textContent = ""; complain(error); });
  back.addEventListener("click", () => { start = Math.max(0, start - PAGE); tried(show()); });
  forward.addEventListener("click", () => { start += PAGE; tried(show()); });
  for (const [name, tab] of Object.entries(tabs)) tab.addEventListener("click", () => tried(select(name)));
  if (facts.count === 0) for (const each of [box, back, forward, ...Object.values(tabs)]) each.hidden = true;

  return {
    /** Look anew for what is listed: it is another list under another policy. */
    refresh() { if (which !== "all" && !facts.flips) tried(select(which)); },
    mark(index) { chosen = index; mark(); },
    /** Show the page that has an image. */
    begin(index) {
      start = Math.max(0, Math.floor(list.findIndex((each) => each.index === index) / PAGE) * PAGE);
      return tried(show());
    },
  };
}
