// What is said at every place at once: bars, and words above them.

import { made } from "./spectrum.js";

const ROW = 82; // of which the words above take the upper half
const BARS = 40;
const THUMB = 22; // of the slider above, whose middle is at a place

/** `move` is told the position of a place. */
export function makeStrip(frame, move) {
  let shown = null;
  let here = null;

  function positionAt(event) {
    const box = frame.getBoundingClientRect();
    const step = (box.width - THUMB) / Math.max(1, shown.count - 1);
    return Math.min(shown.count - 1, Math.max(0, Math.round((event.clientX - box.left - THUMB / 2) / step)));
  }
  frame.addEventListener("pointerdown", (event) => { if (shown) move(positionAt(event)); });
  frame.addEventListener("pointermove", (event) => { if (shown && event.buttons & 1) move(positionAt(event)); });
  new ResizeObserver(() => render()).observe(frame);

  function render() {
    if (!shown) return;
    const width = frame.clientWidth;
    const step = (width - THUMB) / Math.max(1, shown.count - 1);
    const x = (position) => THUMB / 2 + position * step;
    const height = shown.rows.length * ROW + 4;
    const svg = made("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": shown.words });
    const words = []; // above the line that moves
    shown.rows.forEach((row, index) => {
      const top = index * ROW;
      const bottom = top + ROW - 4;
      words.push(made("text", { x: 0, y: top + 14, class: `name-${row.part}` }, row.name));
      svg.append(made("line", { x1: 0, x2: width, y1: bottom, y2: bottom, class: "base" }));
      if (row.line != null) svg.append(made("line", { x1: 0, x2: width, y1: bottom - row.line * BARS, y2: bottom - row.line * BARS, class: "turn" }));
      row.bars.forEach((bar, position) => {
        if (!bar) return;
        const tall = Math.max(1, bar.tall * BARS);
        const wide = Math.min(shown.widest ?? step, Math.max(1, step * 0.8));
        svg.append(made("rect", { x: x(position) - wide / 2, y: bottom - tall, width: wide, height: tall, class: bar.same ? `same-${row.part}` : "other" }));
      });
      for (const { from, to, text, quiet, centered } of row.spans) {
        if (centered) {
          words.push(made("text", { x: Math.min(width - 6, Math.max(6, x(from))), y: top + 31, class: "centered" }, text));
          continue;
        }
        const left = Math.max(0, x(from) - step / 2);
        const right = Math.min(width, x(to) + step / 2);
        if (from > 0) svg.append(made("line", { x1: left, x2: left, y1: top + 20, y2: bottom, class: "turn" }));
        const start = Math.max(left + 3, 1);
        const room = Math.floor((right - start) / 6.4);
        const cut = text.length <= room ? text : room > 3 ? `${text.slice(0, room - 1)}…` : "";
        words.push(made("text", { x: start, y: top + 31, class: quiet ? "quiet" : "" }, cut));
      }
    });
    here = made("line", { y1: 0, y2: height, class: "here" });
    svg.append(here, ...words);
    frame.replaceChildren(svg);
    moveTo(shown.at);
  }

  function moveTo(position) {
    if (!shown || !here) return;
    shown.at = position;
    const x = THUMB / 2 + (position * (frame.clientWidth - THUMB)) / Math.max(1, shown.count - 1);
    here.setAttribute("x1", x);
    here.setAttribute("x2", x);
  }

  return {
    /** Show rows, each of `bars` (some may not be there yet) and of `spans` of places with words; a `line` says how high the whole image's bar is. Bars are at most `widest` pixels wide. */
    show(next) { shown = next; render(); },
    moveTo,
  };
}
