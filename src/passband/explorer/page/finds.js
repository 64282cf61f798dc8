// What a detector finds, from a score on: how much of what is there, in words, and in a table.

import { element } from "./answers.js";

const LISTED = 6;
const HALF = 0.5; // the overlap from which on two boxes are of one thing

export const score = (value) => value.toFixed(2);

/** Return the boxes from a score on, the surest first: {category, score, edges, verdict}. */
export function sureBoxes(answer, sure) {
  return answer.boxes.filter((box) => box[1] >= sure).map(([category, at, left, top, right, bottom, verdict]) => ({ category, score: at, edges: [left, top, right, bottom], verdict }));
}

/** Return how many there are, and how many of them are found: true objects, or where none are known, the boxes on the whole image. */
export function counted(look, answer, sure) {
  if (look.objects?.length) return { of: look.objects.length, found: answer.objects.filter((at) => at != null && at >= sure).length };
  const whole = sureBoxes(look.whole, sure);
  return { of: whole.length, found: agreeing(whole, sureBoxes(answer, sure)) };
}

/** Return how many of some boxes others agree with, as COCO matches: each, the surest first, takes the box of its category that it overlaps most, by half or more. */
export function agreeing(boxes, others) {
  const taken = new Set();
  for (const other of others) {
    let best = -1;
    let most = HALF;
    boxes.forEach((box, i) => {
      const shared = overlap(box.edges, other.edges);
      if (box.category === other.category && !taken.has(i) && shared >= most) [best, most] = [i, shared];
    });
    if (best >= 0) taken.add(best);
  }
  return taken.size;
}

function overlap(one, other) {
  const across = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const down = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (across <= 0 || down <= 0) return 0;
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  return (across * down) / (area(one) + area(other) - across * down);
}

/** Return the numbers as words: what is counted depends on what is known. */
export function countWords(look, { of, found }) {
  if (look.objects?.length) return `${found} of ${of} true objects found`;
  return of ? `${found} of the whole image's ${of} boxes` : "no box to agree with";
}

/** Fill a box with what is found in a part: how much of it, the surest boxes, and what is missing. */
export function showFound(box, look, answer, sure, nameOf) {
  if (!answer) return box.replaceChildren(element("p", "asking the detector …", "muted small"));
  const boxes = sureBoxes(answer, sure);
  const blocks = [element("p", answer === look.whole && !look.objects?.length ? `${boxes.length} boxes` : countWords(look, counted(look, answer, sure)), "verdict flips")];
  const list = element("ol", "", "found");
  boxes.slice(0, LISTED).forEach((each, i) => {
    const item = element("li", "", each.verdict ?? "");
    const name = element("span", `${i + 1} ${nameOf(each.category)}`);
    name.title = `${nameOf(each.category)}${MEANINGS[each.verdict] ?? ""}`;
    name.append(element("span", MEANINGS[each.verdict] ?? "", "hidden"));
    item.append(name, element("span", score(each.score)), element("span", SIGNS[each.verdict] ?? ""));
    item.lastChild.setAttribute("aria-hidden", "true");
    list.append(item);
  });
  if (boxes.length) blocks.push(list);
  if (boxes.length > LISTED) blocks.push(element("p", `and ${boxes.length - LISTED} less sure`, "muted small"));
  if (!boxes.length) blocks.push(element("p", `nothing from ${score(sure)} on`, "muted small"));
  const missed = (look.objects ?? []).filter((_, i) => !(answer.objects[i] >= sure)).map(([category]) => nameOf(category));
  if (missed.length) blocks.push(element("p", `not found: ${tallied(missed)}`, "muted small"));
  box.replaceChildren(...blocks);
}

const MEANINGS = { right: ", right", wrong: ", no such object is there", crowd: ", in a crowd" };
const SIGNS = { right: "✓", wrong: "✗", crowd: "" };

function tallied(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(", ");
}

/** Return the numbers at one radius as a sentence. */
export function inWords(look, position, sure) {
  const said = (answer) => (answer ? countWords(look, counted(look, answer, sure)) : "not asked yet");
  const pair = look.answers[position];
  return `Radius ${look.places[position]}. LFC: ${said(pair?.[0])}; HFC: ${said(pair?.[1])}.`;
}

/** Return all boxes of all views as rows, the first of which says what they are. */
export function asRows(look, nameOf) {
  const rows = [["detector", "shown", "category", "score", "left", "top", "width", "height", "verdict"]];
  const add = (shown, answer) => {
    for (const [category, at, left, top, right, bottom, verdict] of answer?.boxes ?? []) {
      rows.push([look.detector, shown, nameOf(category), at, left, top, Number((right - left).toFixed(2)), Number((bottom - top).toFixed(2)), verdict ?? ""]);
    }
  };
  add("full", look.whole);
  for (const part of [0, 1]) look.places.forEach((_, position) => add(look.shown[position][part], look.answers[position]?.[part]));
  for (const [category, left, top, right, bottom] of look.objects ?? []) rows.push(["annotations", "", nameOf(category), "", left, top, right - left, bottom - top, ""]);
  return rows;
}

/** Fill a box with one line a radius. */
export function showTable(box, look, sure) {
  const known = look.objects?.length > 0;
  const table = element("table");
  table.append(element("caption", known ? `True objects found at IoU 0.5, of ${look.objects.length}, from score ${score(sure)} on, and the image's own AP, which looks at all scores.` : `Boxes of the whole image that are found again at IoU 0.5, from score ${score(sure)} on.`));
  const head = element("tr");
  for (const name of ["Radius", "LFC", ...(known ? ["LFC: AP"] : []), "HFC", ...(known ? ["HFC: AP"] : [])]) {
    const cell = element("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  const line = (name, answers) => {
    const row = element("tr");
    const first = element("th", name);
    first.scope = "row";
    row.append(first);
    for (const answer of answers) {
      row.append(element("td", answer ? String(counted(look, answer, sure).found) : "…"));
      if (known) row.append(element("td", answer?.ap == null ? "" : `${(100 * answer.ap).toFixed(1)}%`));
    }
    body.append(row);
  };
  line("whole image", [look.whole, look.whole]);
  look.places.forEach((place, position) => line(String(place), [look.answers[position]?.[0], look.answers[position]?.[1]]));
  table.append(top, body);
  box.replaceChildren(table);
}
