// Boxes over pictures: those that are found, and what is there.

import { score } from "./finds.js";
import { made } from "./spectrum.js";

const LETTER = 7;
const LINE = 13;
const ROOM = 250; // pixels of a picture on the screen from which on there is room for names

/** Draw boxes over the picture of `frame`. */
export function drawBoxes(frame, look, boxes, { truth, nameOf }) {
  const overlay = frame.querySelector("svg") ?? frame.appendChild(made("svg", { "aria-hidden": "true" }));
  const [height, width] = look.size;
  const [wide, tall] = [frame.clientWidth, frame.clientHeight];
  overlay.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
  overlay.replaceChildren();
  const at = ([left, top, right, bottom]) => ({ x: (left / width) * wide, y: (top / height) * tall, width: ((right - left) / width) * wide, height: ((bottom - top) / height) * tall });
  const framed = (edges, name) => {
    for (const layer of ["under", name]) overlay.append(made("rect", { ...at(edges), class: layer }));
  };
  if (truth) for (const [, ...edges] of look.objects ?? []) framed(edges, "truth");
  boxes.forEach((box) => framed(box.edges, `box ${box.verdict ?? ""}`));
  for (const { x, y, words, verdict } of placed(boxes.map((box) => ({ ...at(box.edges), box })), wide, wide < ROOM ? null : nameOf)) {
    overlay.append(made("text", { x, y, class: verdict ?? "" }, words)); // above all frames
  }
}

/** Return where there is room for which words, the surest first: the name, or else the number alone, or nothing; the list below has all of them. */
function placed(boxes, wide, nameOf) {
  const taken = [];
  boxes.forEach(({ x, y, box }, i) => {
    const full = nameOf ? [`${i + 1} ${nameOf(box.category)} ${score(box.score)}`] : [];
    for (const words of [...full, `${i + 1}`]) {
      const across = words.length * LETTER;
      const left = Math.max(0, Math.min(x + 1, wide - across - 2));
      const line = y > 14 ? y - 4 : y + 13;
      if (taken.some((other) => left < other.x + other.across && other.x < left + across && Math.abs(line - other.y) < LINE)) continue;
      taken.push({ x: left, y: line, across, words, verdict: box.verdict });
      break;
    }
  });
  return taken;
}

const COLORS = { right: "#6ccbff", wrong: "#ffb454", crowd: "#dddddd" };

/** Draw the same on a picture that is saved: it is told where that lies. */
export function inkBoxes(look, boxes, { truth, nameOf }) {
  return (ink, left, top, wide, tall) => {
    const [height, width] = look.size;
    const stroke = ([x, y, right, bottom], color, dashes) => {
      for (const [style, line] of [["#000000", 4], [color, 2]]) {
        ink.strokeStyle = style;
        ink.lineWidth = line;
        ink.setLineDash(dashes);
        ink.strokeRect(left + (x / width) * wide, top + (y / height) * tall, ((right - x) / width) * wide, ((bottom - y) / height) * tall);
      }
      ink.setLineDash([]);
    };
    if (truth) for (const [, ...edges] of look.objects ?? []) stroke(edges, "#ffffff", [5, 4]);
    for (const box of boxes) stroke(box.edges, COLORS[box.verdict] ?? COLORS.right, []);
    ink.font = "600 12px system-ui, sans-serif";
    ink.lineWidth = 3;
    ink.strokeStyle = "#000000";
    const corners = boxes.map((box) => ({ x: (box.edges[0] / width) * wide, y: (box.edges[1] / height) * tall, box }));
    for (const { x, y, words, verdict } of placed(corners, wide, nameOf)) {
      ink.fillStyle = COLORS[verdict] ?? COLORS.right;
      ink.strokeText(words, left + x, top + y);
      ink.fillText(words, left + x, top + y);
    }
    ink.fillStyle = "#1f2328";
  };
}
