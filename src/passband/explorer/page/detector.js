// The page of a detector: what is chosen, what is asked for, and drawing it.

import { percent } from "./answers.js";
import { beginWith, complain, copyAddress, makeAsking, showFacts, showNotices } from "./asking.js";
import { drawBoxes, inkBoxes } from "./boxes.js";
import { asRows, counted, countWords, inWords, score, showFound, showTable, sureBoxes } from "./finds.js";
import { makeGallery } from "./gallery.js";
import { draw, drawLevels } from "./pictures.js";
import { saveNumbers, savePicture } from "./save.js";
import * as source from "./source.js";
import { aboutSpectrum, makeSpectrum, nearestTo } from "./spectrum.js";
import { makeState } from "./state.js";
import { makeStrip } from "./strip.js";

const POLICIES = {
  picture: "Held to [0, 1], an HFC on middle gray, in 256 levels: pictures, which any detector takes.",
  raw: "As it is: an HFC is signed and dark.",
  clip: "Cut off to [0, 1]: an HFC loses its dark half.",
  max: "Divided by its maximum.",
  minmax: "Stretched so that it goes from 0 to 1.",
  rms: "With the energy of the whole image.",
};
const PARTS = ["first", "second"];
const NAMES = { first: "LFC", second: "HFC" };

const $ = (id) => document.getElementById(id);
const stated = makeState({ sure: "0.5", truth: "1" }, ["image", "upload", "at", "amplitude"], ["sure", "truth"]);
const { state, writeState } = stated;
const asking = makeAsking(stated, { begun, take, chosen: fillControls });
let facts = null;
let look = null; // what has come of the image that is chosen
let position = 0; // of the radius
let speaking = 0;
let writing = 0;
let pending = false;
let gallery = null;

const strip = makeStrip($("strip"), moveTo);
const spectrum = makeSpectrum($("spectrum"), (radius) => moveTo(nearest(radius)));

const nameOf = (category) => facts.categories[category] ?? `label ${category}`;
const sure = () => Number(state.sure);
const answerOf = (part) => (part === "whole" ? look.whole : look.answers[position]?.[PARTS.indexOf(part)] ?? null);

const nearest = (place) => nearestTo(look.places, place);

function begun(header, payload) {
  const [height, width] = header.drawn;
  const length = height * width * 3;
  look = {
    ...header,
    detector: facts.models[0],
    picture: payload.subarray(0, length),
    power: payload.subarray(length),
    parts: header.places.map(() => null),
    whole: null,
    answers: header.places.map(() => null),
    done: false,
  };
  position = state.at == null ? look.first : nearest(Number(state.at));
  opened();
  return look;
}

function take(next, header, payload) {
  if (header.kind === "whole") {
    next.whole = header.found;
    fitScores();
    changed();
  } else if (header.kind === "parts") {
    next.parts[header.index] = { first: payload.subarray(0, next.picture.length), second: payload.subarray(next.picture.length), largest: header.largest };
    if (header.index === position) drawNow();
  } else if (header.kind === "answers") {
    header.found.forEach((pair, i) => { next.answers[header.indices[i]] = pair; });
    changed();
  } else if (header.kind === "end") {
    next.done = true;
    showNotices(header.notices);
    changed();
    say();
  }
}

/** Scores are shares, or whatever the detector has: the slider goes over those of the whole image then. */
function fitScores() {
  const scores = look.whole.boxes.map((box) => box[1]);
  const shares = scores.every((each) => each >= 0 && each <= 1);
  const [low, high] = shares ? [0, 1] : [Math.min(...scores), Math.max(...scores)];
  Object.assign($("sure"), { min: low, max: high, step: shares ? 0.05 : (high - low) / 20 || 1 });
  if (!(sure() >= low && sure() <= high)) state.sure = String(Math.min(high, Math.max(low, sure() || 0)));
  $("sure").value = state.sure;
  $("sure-value").textContent = score(sure());
}

/** Draw what does not depend on the radius. */
function opened() {
  const [height, width] = look.split;
  draw($("whole"), look.picture, look.drawn, 3);
  drawLevels($("power"), look.power, look.drawn);
  for (const part of ["whole", ...PARTS]) $(part).style.aspectRatio = `${look.size[1]} / ${look.size[0]}`;
  $("panel-title").textContent = look.name;
  const crowds = look.crowds ? `${look.crowds} boxes around crowds are left out` : "";
  const shrunk = look.drawn[0] < height ? "drawn smaller than it is" : "";
  $("note-whole").textContent = [...look.notices, crowds, shrunk].filter(Boolean).join("; ") || `${height}×${width} pixels`;
  $("at").max = look.places.length - 1;
  $("truth-field").hidden = !look.objects?.length;
  $("everywhere").textContent = look.objects?.length ? "True objects found at every radius" : "Boxes that agree with the whole image's, at every radius";
  $("spectrum-words").textContent = aboutSpectrum(look.split);
  $("views").classList.remove("waiting");
  $("table").replaceChildren(); // it was of another image
  $("sure-value").textContent = score(sure());
  drawNow();
  changed();
}

/** Draw all that depends on the radius. */
function drawNow() {
  pending = false;
  if (!look) return;
  const place = look.places[position];
  const parts = look.parts[position];
  $("at").value = position;
  $("at").setAttribute("aria-valuetext", `Radius ${place} cycles per image`);
  $("at-value").textContent = place;
  $("at-energy").textContent = `cycles per image, ${Number((place / Math.min(...look.split)).toPrecision(3))} per pixel of the shorter side; the LFC holds ${percent(look.energy[position])} of the energy beside the mean`;
  for (const part of PARTS) {
    $(part).classList.toggle("waiting", !parts);
    if (parts) draw($(part), parts[part], look.drawn, 3);
  }
  const signed = !["clip", "minmax"].includes(state.amplitude);
  $("note-second").textContent = `what is beyond it${parts && signed ? `; up to ±${parts.largest.toFixed(2)}` : ""}`;
  spectrum.show(look.split, [place], place);
  foundNow();
  strip.moveTo(position);
}

/** Draw what is found at this radius. */
function foundNow() {
  if (!look) return;
  for (const part of ["whole", ...PARTS]) {
    const answer = answerOf(part);
    showFound($(`answers-${part}`), look, answer, sure(), nameOf);
    drawBoxes($(`frame-${part}`), look, answer ? sureBoxes(answer, sure()) : [], { truth: state.truth === "1", nameOf });
    const shown = part === "whole" ? "The whole image" : `${NAMES[part]} at radius ${look.places[position]}`;
    $(part).setAttribute("aria-label", answer ? `${shown}: ${countWords(look, counted(look, answer, sure()))}` : shown);
  }
}

/** Answers have come, or the score has moved: draw the strip, and the table once all are there. */
function changed() {
  foundNow();
  if (!look.whole) {
    const rows = PARTS.map((part) => ({ part, name: NAMES[part], bars: [], spans: [] }));
    return strip.show({ rows, count: look.places.length, at: position, words: "The detector is being asked." });
  }
  const whole = counted(look, look.whole, sure());
  const most = Math.max(1, whole.of);
  const words = [];
  const rows = PARTS.map((part, i) => {
    const counts = look.answers.map((pair) => pair && counted(look, pair[i], sure()).found);
    words.push(`${NAMES[part]}: ${counts.map((count, at) => (count == null ? "" : `${count} at ${look.places[at]}`)).filter(Boolean).join(", ")}`);
    return {
      part,
      name: look.objects?.length ? `${NAMES[part]}, of ${whole.of} true objects (whole image: ${whole.found})` : `${NAMES[part]}, of ${whole.of} boxes`,
      line: whole.found / most,
      bars: counts.map((count) => (count == null ? null : { tall: count / most, same: true })),
      spans: counts.map((count, at) => ({ from: at, to: at, text: count == null ? "" : String(count), centered: true })),
    };
  });
  strip.show({ rows, widest: 22, count: look.places.length, at: position, words: `Of ${whole.of}, so many are found at each radius. ${words.join(". ")}` });
  if (look.done) showTable($("table"), look, sure());
}

/** Tell screen readers, once the hand rests. */
function say() {
  clearTimeout(speaking);
  speaking = setTimeout(() => { if (look?.whole) $("said").textContent = inWords(look, position, sure()); }, 500);
}

function written() {
  clearTimeout(writing);
  writing = setTimeout(writeState, 200); // browsers count how often it is written
}

function moveTo(next) {
  if (!look || next === position) return;
  position = next;
  state.at = String(look.places[position]);
  if (!pending) { // of several moves before the next picture, the latest is drawn
    pending = true;
    requestAnimationFrame(drawNow);
  }
  written();
  say();
}

function choose(index, radius) {
  asking.choose(index);
  if (radius != null) state.at = String(radius);
  if (asking.here() && radius != null && look) moveTo(nearest(radius));
  fillControls();
  asking.ask();
}

/** Bring the controls to what the state says. */
function fillControls() {
  $("amplitude").value = state.amplitude;
  $("amplitude-words").textContent = POLICIES[state.amplitude] ?? "";
  $("truth").checked = state.truth === "1";
  gallery?.mark(state.upload ? null : Number(state.image));
}

function listen() {
  $("at").addEventListener("input", () => moveTo(Number($("at").value)));
  $("sure").addEventListener("input", () => {
    state.sure = $("sure").value;
    $("sure-value").textContent = score(sure());
    if (look) changed();
    written();
    say();
  });
  $("truth").addEventListener("change", () => { state.truth = $("truth").checked ? "1" : "0"; foundNow(); written(); });
  $("amplitude").addEventListener("change", () => {
    state.amplitude = $("amplitude").value;
    fillControls();
    gallery.refresh();
    asking.ask();
  });
  new ResizeObserver(foundNow).observe($("frame-whole"));
  asking.takeFiles(facts.upload);
  $("save-numbers").addEventListener("click", () => { if (look) saveNumbers(asRows(look, nameOf), `${fileName()}.csv`); });
  $("save-picture").addEventListener("click", async () => {
    if (!look) return;
    const place = look.places[position];
    const panel = (part, name) => {
      const answer = answerOf(part);
      const boxes = answer ? sureBoxes(answer, sure()) : [];
      return { canvas: $(part), size: look.size, name, lines: answer ? [countWords(look, counted(look, answer, sure()))] : [], over: inkBoxes(look, boxes, { truth: state.truth === "1", nameOf }) };
    };
    const [low, high] = look.shown[position];
    const panels = [panel("whole", "Whole image"), panel("first", `LFC (${low})`), panel("second", `HFC (${high})`), { canvas: $("power"), size: look.split, name: "Spectrum", lines: [], circles: [place] }];
    const title = `${$("title").textContent}, ${look.name}; radius ${place}, amplitude ${state.amplitude}, boxes from score ${score(sure())} on`;
    await savePicture(panels, title, `${fileName()}.png`);
  });
  copyAddress(writeState);
}

const fileName = () => `${look.name}-radius-${look.places[position]}`.replace(/[^\w.-]+/g, "-");

function describe(image, each) {
  const there = `${image.label} ${image.label === 1 ? "object" : "objects"}`;
  if (each.radius == null) return { words: [there], name: `image ${image.index}: ${there}` };
  const change = 100 * (each.after - each.before);
  const points = `${change > 0 ? "+" : "−"}${Math.abs(change).toFixed(0)}`;
  return { words: [there, `AP ${points}`], name: `image ${image.index}: ${there}; its own AP goes from ${(100 * each.before).toFixed(1)}% to ${(100 * each.after).toFixed(1)}% at radius ${each.radius}` };
}

const among = (found) => `Looked for in ${found.looked_at} images with objects${found.looked_at < found.of ? `, drawn at random from all ${found.of}, for a minute at most` : ""}`;
const LISTS = {
  lose: (found) => `${found.lose} of ${found.looked_at} images have a lower AP of their own on their LFC at radius ${found.radius} than as a whole; those that lose most come first. ${among(found)}.`,
  gain: (found) => `${found.gain} of ${found.looked_at} images have a higher AP of their own on their LFC at radius ${found.radius} than as a whole; under a control for chance, as much noise at the same frequencies, ${found.by_control} have. ${among(found)}.`,
  hfc: (found) => `${found.gain_on_hfc} of ${found.looked_at} images have a higher AP of their own on their HFC at radius ${found.hfc_radius} than as a whole. There is no control for an HFC, and some images gain under any change: look before you believe it. ${among(found)}.`,
};

async function begin() {
  facts = await source.about();
  $("title").textContent = `${facts.models[0]}${facts.data ? ` on ${facts.data}` : ""}`;
  document.title = `${facts.models[0]} · passband explorer`;
  $("amplitude").replaceChildren(...facts.amplitudes.map((name) => new Option(name, name)));
  state.amplitude = facts.amplitudes.includes(state.amplitude) ? state.amplitude : facts.amplitude;
  $("split-at").textContent = facts.split_at === "input" ? "Split is what the network's own resize makes of the image: radii count cycles of that." : "Split is the image as it is stored; the detector resizes what it is shown.";
  showFacts(facts, `and ${facts.upload?.pixels / 1e6} million pixels; they keep their size`);
  gallery = makeGallery(facts, { choose, complain, describe, lists: LISTS }, () => state.amplitude);
  listen();
  beginWith(state, facts);
  fillControls();
  await Promise.all([facts.count ? gallery.begin(Number(state.image)) : null, state.upload || facts.count ? asking.ask() : null]);
}

begin().catch(complain);
