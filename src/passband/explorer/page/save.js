// What is kept: the panel as a picture, and the numbers as a table.

import { percent } from "./answers.js";

const SIDE = 300;
const GAP = 20;

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Save rows of cells as a file that spreadsheets read. */
export function saveNumbers(rows, name) {
  const cell = (value) => {
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t]/.test(text)) text = `'${text}`; // a class must not become a formula
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const text = rows.map((row) => row.map(cell).join(",")).join("\n");
  download(new Blob([`${text}\n`], { type: "text/csv" }), name);
}

/** Save pictures side by side, each with its name above and the answers below; `over` draws what lies over one. */
export async function savePicture(panels, title, name) {
  const lines = Math.max(...panels.map((panel) => panel.lines.length));
  const canvas = document.createElement("canvas");
  canvas.width = panels.length * (SIDE + GAP) + GAP;
  canvas.height = 96 + SIDE + lines * 20 + GAP;
  const ink = canvas.getContext("2d");
  ink.fillStyle = "#fefefe";
  ink.fillRect(0, 0, canvas.width, canvas.height);
  ink.imageSmoothingEnabled = false;
  ink.fillStyle = "#1f2328";
  ink.font = "18px system-ui, sans-serif";
  ink.fillText(title, GAP, 34, canvas.width - 2 * GAP);
  panels.forEach((panel, index) => {
    const x = GAP + index * (SIDE + GAP);
    ink.font = "600 15px system-ui, sans-serif";
    ink.fillText(panel.name, x, 70, SIDE);
    const [tall, wide] = panel.size ?? [panel.canvas.height, panel.canvas.width]; // in pixels of what is drawn
    const scale = SIDE / Math.max(wide, tall);
    const [width, height] = [wide * scale, tall * scale];
    ink.drawImage(panel.canvas, x, 80, width, height);
    panel.over?.(ink, x, 80, width, height);
    ink.strokeStyle = "#ffffff";
    ink.lineWidth = 2.5;
    for (const radius of panel.circles ?? []) {
      ink.save();
      ink.beginPath();
      ink.rect(x, 80, width, height);
      ink.clip();
      ink.beginPath();
      ink.arc(x + (Math.floor(wide / 2) + 0.5) * scale, 80 + (Math.floor(tall / 2) + 0.5) * scale, (radius + 0.5) * scale, 0, 2 * Math.PI);
      ink.stroke();
      ink.restore();
    }
    ink.font = "14px system-ui, sans-serif";
    panel.lines.forEach((line, i) => ink.fillText(line, x, 80 + SIDE + 22 + i * 20, SIDE));
  });
  download(await new Promise((done) => canvas.toBlob(done, "image/png")), name);
}

/** Return the most probable classes of each model as lines. */
export function asLines(look, pick) {
  return look.whole.flatMap((_, model) => {
    const answer = pick(model);
    const who = look.whole.length > 1 ? [look.models[model]] : [];
    return [...who, ...(answer ? answer.top.slice(0, 3).map(([label, share]) => `${percent(share)}  ${look.classes[label]}`) : [])];
  });
}
