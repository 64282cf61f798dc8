// What models say, in words, bars and a table.

/** Return a share in percent; one that is nearly none or nearly all is not said to be so. */
export function percent(share) {
  if (share < 0.0005) return "<0.1%";
  if (share >= 0.9995) return ">99.9%";
  return `${(100 * share).toFixed(share < 0.0995 || share > 0.9905 ? 1 : 0)}%`;
}

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Fill a box with the answers of each model: the most probable classes, and whether that is what it says of the whole image. */
export function showAnswers(box, look, pick, most = 3) {
  const blocks = [];
  look.whole.forEach((whole, model) => {
    const answer = pick(model);
    if (look.whole.length > 1) blocks.push(element("h4", look.models[model]));
    if (!answer) {
      blocks.push(element("p", "asking the model …", "muted small"));
      return;
    }
    const list = element("ol");
    for (const [label, share] of answer.top.slice(0, most)) {
      const item = element("li", "", label === whole.top[0][0] ? "whole-answer" : "");
      const name = look.classes[label];
      const shown = element("span", label === look.label ? `${name} ✓` : name);
      shown.title = label === look.label ? `${name}, the true class` : name;
      if (label === look.label) shown.append(element("span", " (true class)", "hidden"));
      const bar = element("span", "", "line");
      const filled = element("i");
      filled.style.width = `${100 * share}%`;
      bar.append(filled);
      item.append(shown, element("span", percent(share)), bar);
      list.append(item);
    }
    blocks.push(list);
    if (answer !== whole) {
      const same = answer.top[0][0] === whole.top[0][0];
      blocks.push(element("p", same ? "same answer as for the whole image" : "another answer than for the whole image", same ? "verdict muted" : "verdict flips"));
    }
  });
  box.replaceChildren(...blocks);
}

/** Return the answers at one place as a sentence. */
export function inWords(look, position, placeWords, names) {
  const parts = [placeWords];
  look.whole.forEach((whole, model) => {
    const who = look.whole.length > 1 ? `${look.models[model]}: ` : "";
    const said = (answer) => (answer ? `${look.classes[answer.top[0][0]]}, ${percent(answer.top[0][1])}` : "not asked yet");
    const pair = look.answers[model][position];
    parts.push(`${who}whole image ${said(whole)}; ${names[0]} ${said(pair?.[0])}; ${names[1]} ${said(pair?.[1])}`);
  });
  return `${parts.join(". ")}.`;
}

/** Return all numbers as rows, the first of which says what they are. */
export function asRows(look) {
  const rows = [["model", "shown", "energy", "prediction", "confidence", "true_class", "true_class_probability"]];
  const truth = look.label == null ? "" : look.classes[look.label];
  const row = (model, shown, energy, answer) => rows.push([look.models[model], shown, energy, look.classes[answer.top[0][0]], answer.top[0][1], truth, answer.label ?? ""]);
  look.whole.forEach((whole, model) => {
    row(model, "full", "", whole);
    for (const part of [0, 1]) {
      look.places.forEach((_, position) => {
        const pair = look.answers[model][position];
        const share = look.energy[position];
        if (pair) row(model, look.shown[position][part], look.kind === "ring" && part ? "" : Number((part ? 1 - share : share).toFixed(6)), pair[part]);
      });
    }
  });
  return rows;
}

/** Fill a box with one line a place. */
export function showTable(box, look, names) {
  const table = element("table");
  table.append(element("caption", "What the most probable class is, with its confidence."));
  const head = element("tr");
  const groups = look.whole.length > 1 ? look.models.map((model) => `${model}: `) : [""];
  head.append(element("th", names[2]), element("th", "Energy"), ...groups.flatMap((who) => [element("th", `${who}${names[0]}`), element("th", `${who}${names[1]}`)]));
  for (const cell of head.children) cell.scope = "col";
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  look.places.forEach((place, position) => {
    const line = element("tr");
    const first = element("th", String(place));
    first.scope = "row";
    line.append(first, element("td", percent(look.energy[position])));
    look.answers.forEach((of) => {
      for (const part of [0, 1]) {
        const answer = of[position]?.[part];
        line.append(element("td", answer ? `${look.classes[answer.top[0][0]]} ${percent(answer.top[0][1])}` : "…"));
      }
    });
    body.append(line);
  });
  table.append(top, body);
  box.replaceChildren(table);
}

/** Return where a row's answer stays the same: from one position to another. */
export function runs(answers) {
  const found = [];
  answers.forEach((answer, position) => {
    if (!answer) return;
    const label = answer.top[0][0];
    const last = found.at(-1);
    if (last && last.label === label && last.to === position - 1) last.to = position;
    else found.push({ from: position, to: position, label });
  });
  return found;
}
