// The page: what is chosen, what is asked for, and drawing it.

import { asRows, inWords, percent, runs, showAnswers, showTable } from "./answers.js";
import { beginWith, complain, copyAddress, makeAsking, showFacts } from "./asking.js";
import { makeGallery } from "./gallery.js";
import { draw, drawLevels } from "./pictures.js";
import { asLines, saveNumbers, savePicture } from "./save.js";
import * as source from "./source.js";
import { aboutSpectrum, makeSpectrum, nearestTo } from "./spectrum.js";
import { makeState } from "./state.js";
import { makeStrip } from "./strip.js";

const CUTS = {
  radius: { place: "Radius", unit: "cycles per image", first: "LFC", second: "HFC", notes: ["what is within the circle", "what is beyond it"] },
  ring: { place: "Outer radius", unit: "cycles per image", first: "Ring", second: "Without it", notes: ["between the circles, with the mean", "all but what is between the circles"] },
  rank: { place: "Rank", unit: "largest singular values", first: "Dominant", second: "Trailing", notes: ["what they make of each channel", "what all others make"] },
};
const POLICIES = {
  raw: "As it is: an HFC is signed and dark.",
  clip: "Cut off to [0, 1].",
  max: "Divided by its maximum, as in the paper's released code.",
  minmax: "Stretched so that it goes from 0 to 1.",
  rms: "With the energy of the whole image.",
};

const $ = (id) => document.getElementById(id);
const stated = makeState({ cut: "radius", width: "4", rho: "0", normalize: "0", epsilon: "0", steps: "10" }, ["image", "upload", "at", "amplitude"]);
const { state, writeState } = stated;
const asking = makeAsking(stated, { begun, take, chosen: fillControls });
let facts = null;
let look = null; // what has come of the image that is chosen
let position = 0; // of the place
let speaking = 0;
let pending = false;

const strip = makeStrip($("strip"), moveTo);
const spectrum = makeSpectrum($("spectrum"), (radius) => moveTo(nearest(radius)));
let gallery = null;

const nearest = (place) => nearestTo(look.places, place);

function begun(header, payload) {
  const [height, width] = header.size;
  const length = height * width * header.channels;
  return {
    ...header,
    kind: state.cut,
    classes: facts.classes,
    picture: payload.subarray(0, length),
    power: payload.subarray(length),
    parts: header.places.map(() => null),
    whole: null,
    answers: header.models.map(() => header.places.map(() => null)),
    done: false,
  };
}

function take(next, header, payload) {
  if (header.kind === "whole") {
    next.whole = header.models;
    look = next;
    position = state.at == null ? look.first : nearest(Number(state.at));
    opened();
  } else if (header.kind === "parts") {
    next.parts[header.index] = { first: payload.subarray(0, next.picture.length), second: payload.subarray(next.picture.length), largest: header.largest };
    if (header.index === position) drawNow();
  } else if (header.kind === "answers") {
    header.models.forEach((pairs, model) => pairs.forEach((pair, i) => { next.answers[model][header.indices[i]] = pair; }));
    changed();
  } else if (header.kind === "end") {
    next.done = true;
    changed();
    say();
  }
}

/** Draw what does not depend on the place. */
function opened() {
  const { size, channels } = look;
  const cut = CUTS[look.kind];
  draw($("whole"), look.picture, size, channels);
  drawLevels($("power"), look.power, size);
  const title = look.name + (look.label == null ? "" : `: ${look.classes[look.label]}`);
  $("panel-title").textContent = title[0].toUpperCase() + title.slice(1);
  $("note-whole").textContent = look.change > 0 ? `attacked: pixels changed by up to ${(255 * look.change).toFixed(1)}/255` : look.notices.join("; ") || "as the model is given it";
  $("at-name").textContent = cut.place;
  $("everywhere").textContent = `At every ${cut.place.toLowerCase()} at once`;
  $("name-first").textContent = cut.first;
  $("name-second").textContent = cut.second;
  $("at").max = look.places.length - 1;
  $("note-spectrum").textContent = look.kind === "rank" ? "ranks are no frequencies" : "drag the circle";
  $("spectrum-words").textContent = aboutSpectrum(size);
  showAnswers($("answers-whole"), look, (model) => look.whole[model]);
  $("views").classList.remove("waiting");
  $("table").replaceChildren(); // it was of another image
  drawNow();
}

/** Draw all that depends on the place. */
function drawNow() {
  pending = false;
  if (!look) return;
  const cut = CUTS[look.kind];
  const place = look.places[position];
  const parts = look.parts[position];
  $("at").value = position;
  $("at").setAttribute("aria-valuetext", `${cut.place} ${place} ${cut.unit}`);
  $("at-value").textContent = place;
  $("at-energy").textContent = `${cut.unit}; ${cut.first} holds ${percent(look.energy[position])} of the energy${look.kind === "rank" ? "" : " beside the mean"}`;
  for (const name of ["first", "second"]) {
    $(name).classList.toggle("waiting", !parts);
    if (parts) draw($(name), parts[name], look.size, look.channels);
    $(name).setAttribute("aria-label", `${cut[name]} at ${cut.place.toLowerCase()} ${place}`);
  }
  $("note-first").textContent = cut.notes[0];
  $("note-second").textContent = cut.notes[1] + (parts && look.kind !== "ring" ? `; up to ±${parts.largest.toFixed(2)}` : "");
  const inner = Number(look.shown[position][0].match(/:([\d.]+)-/)?.[1] ?? 0);
  spectrum.show(look.size, look.kind === "rank" ? [] : look.kind === "ring" ? [inner, place] : [place], place);
  answersNow();
  strip.moveTo(position);
}

function answersNow() {
  if (!look?.whole) return;
  showAnswers($("answers-first"), look, (model) => look.answers[model][position]?.[0]);
  showAnswers($("answers-second"), look, (model) => look.answers[model][position]?.[1]);
}

/** Answers have come: draw the strip, and the table once all are there. */
function changed() {
  const cut = CUTS[look.kind];
  answersNow();
  const words = [];
  const rows = look.models.flatMap((model, m) =>
    ["first", "second"].map((part, i) => {
      const name = cut[part] + (look.models.length > 1 ? ` · ${model}` : "");
      const whole = look.whole[m].top[0][0];
      const answers = look.answers[m].map((pair) => pair?.[i] ?? null);
      const stays = runs(answers);
      words.push(`${name}: ${stays.map(({ from, to, label }) => `${look.classes[label]} from ${look.places[from]} to ${look.places[to]}`).join(", ")}`);
      return {
        part,
        name,
        bars: answers.map((answer) => answer && { tall: answer.top[0][1], same: answer.top[0][0] === whole }),
        spans: stays.map(({ from, to, label }) => ({ from, to, text: look.classes[label], quiet: label !== whole })),
      };
    }),
  );
  strip.show({ rows, count: look.places.length, at: position, words: `What the model says at every ${cut.place.toLowerCase()}. ${words.join(". ")}` });
  if (look.done) showTable($("table"), look, [cut.first, cut.second, cut.place]);
}

/** Tell screen readers, once the hand rests. */
function say() {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const cut = CUTS[look.kind];
    if (look?.whole) $("said").textContent = inWords(look, position, `${cut.place} ${look.places[position]}`, [cut.first, cut.second]);
  }, 500);
}

function moveTo(next) {
  if (!look || next === position) return;
  position = next;
  state.at = String(look.places[position]);
  if (!pending) { // of several moves before the next picture, the latest is drawn
    pending = true;
    requestAnimationFrame(drawNow);
  }
  clearTimeout(moveTo.writing);
  moveTo.writing = setTimeout(() => writeState(), 200); // browsers count how often it is written
  say();
}

function choose(index, radius) {
  asking.choose(index);
  if (radius != null) Object.assign(state, { cut: "radius", at: String(radius) });
  if (asking.here() && radius != null) moveTo(nearest(radius));
  fillControls();
  asking.ask();
}

/** Bring the controls to what the state says. */
function fillControls() {
  for (const radio of document.querySelectorAll("input[name=cut]")) radio.checked = radio.value === state.cut;
  if (![...$("epsilon").options].some((option) => option.value === state.epsilon)) $("epsilon").add(new Option(state.epsilon));
  for (const name of ["width", "amplitude", "rho", "epsilon", "steps"]) $(name).value = state[name];
  $("normalize").checked = state.normalize === "1";
  $("rho-value").textContent = state.rho;
  $("width-field").hidden = state.cut !== "ring";
  $("amplitude-words").textContent = POLICIES[state.amplitude] ?? "";
  gallery?.mark(state.upload ? null : Number(state.image));
}

function listen() {
  $("at").addEventListener("input", () => moveTo(Number($("at").value)));
  for (const radio of document.querySelectorAll("input[name=cut]")) {
    radio.addEventListener("change", () => { state.cut = radio.value; delete state.at; fillControls(); asking.ask(); });
  }
  for (const name of ["width", "amplitude", "rho", "epsilon", "steps"]) {
    $(name).addEventListener(name === "rho" ? "input" : "change", () => {
      if (!$(name).checkValidity() || $(name).value === "") return fillControls();
      state[name] = $(name).value;
      fillControls();
      if (name === "amplitude") gallery.refresh();
      asking.ask();
    });
  }
  $("normalize").addEventListener("change", () => { state.normalize = $("normalize").checked ? "1" : "0"; asking.ask(); });
  asking.takeFiles(facts.upload);
  $("save-numbers").addEventListener("click", () => { if (look) saveNumbers(asRows(look), `${fileName()}.csv`); });
  $("save-picture").addEventListener("click", async () => {
    if (!look) return;
    const cut = CUTS[look.kind];
    const place = look.places[position];
    const circles = look.kind === "rank" ? [] : look.kind === "ring" ? [Math.max(0, place - Number(state.width)), place] : [place];
    const panels = [
      { canvas: $("whole"), name: "Whole image", lines: asLines(look, (model) => look.whole[model]) },
      { canvas: $("first"), name: `${cut.first} (${look.shown[position][0]})`, lines: asLines(look, (model) => look.answers[model][position]?.[0]) },
      { canvas: $("second"), name: `${cut.second} (${look.shown[position][1]})`, lines: asLines(look, (model) => look.answers[model][position]?.[1]) },
      { canvas: $("power"), name: "Spectrum", lines: [], circles },
    ];
    const title = `${$("title").textContent}, ${$("panel-title").textContent}; ${cut.place.toLowerCase()} ${place}, amplitude ${state.amplitude}${look.change > 0 ? `, PGD ${state.epsilon}` : ""}`;
    await savePicture(panels, title, `${fileName()}.png`);
  });
  copyAddress(writeState);
}

function describe(image, each) {
  const label = facts.classes[image.label];
  return each.radius == null
    ? { words: [label], name: `image ${image.index}: ${label}` }
    : { words: [label, `→ ${each.lfc}`], name: `image ${image.index}: ${label}, whose LFC at radius ${each.radius} is taken for ${each.lfc}` };
}

function listFlips(found) {
  const clear = [...found.radii].sort((one, other) => other.flips - other.by_chance - (one.flips - one.by_chance))[0];
  const best = clear ? ` At radius ${clear.radius}, where they stand out most, ${clear.flips} images do so; by chance about ${clear.by_chance} would.` : "";
  const among = found.looked_at < found.of ? `in ${found.looked_at} images, drawn at random from all ${found.of}` : `in all ${found.of} images`;
  return `${found.lists.flips.length} of them, the surest first: the model is right on the whole image and on its HFC, and wrong on its LFC. Looked for ${among}.${best}`;
}

const fileName = () => `${look.name}-${state.cut}-${look.places[position]}`.replace(/[^\w.-]+/g, "-");

async function begin() {
  facts = await source.about();
  const [height, width] = facts.size;
  $("title").textContent = `${facts.models.join(" beside ")}${facts.data ? ` on ${facts.data}` : ""}`;
  document.title = `${facts.models[0]} · passband explorer`;
  $("amplitude").replaceChildren(...facts.amplitudes.map((name) => new Option(name, name)));
  state.amplitude = facts.amplitudes.includes(state.amplitude) ? state.amplitude : facts.amplitude;
  $("preparation").textContent = facts.upload ? `An upload is ${facts.preparation}; EXIF does not turn it, as it turns no picture of an audit.` : "";
  $("preparation").hidden = !facts.upload;
  showFacts(facts, `made ${height}×${width} pixels`);
  for (const [field, why] of [["smoothing", facts.no_smoothing], ["attacking", facts.no_attack]]) {
    $(field).disabled = why != null;
    if (why) $(`${field}-words`).textContent = why;
  }
  gallery = makeGallery(facts, { choose, complain, describe, lists: { flips: listFlips } }, () => state.amplitude);
  listen();
  beginWith(state, facts);
  fillControls();
  await Promise.all([facts.count ? gallery.begin(Number(state.image)) : null, state.upload || facts.count ? asking.ask() : null]);
}

begin().catch(complain);
