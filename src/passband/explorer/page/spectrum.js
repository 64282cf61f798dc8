// The circle on the spectrum, and moving it.

const SVG = "http://www.w3.org/2000/svg";

/** Let the circle of `frame` be dragged; `move` is told a radius in cycles per image. */
export function makeSpectrum(frame, move) {
  const overlay = document.createElementNS(SVG, "svg");
  overlay.setAttribute("aria-hidden", "true");
  frame.append(overlay);
  let size = null;
  let draggable = false;

  function radiusAt(event) {
    const box = frame.getBoundingClientRect();
    const [height, width] = size;
    const x = ((event.clientX - box.left) / box.width) * width - (Math.floor(width / 2) + 0.5);
    const y = ((event.clientY - box.top) / box.height) * height - (Math.floor(height / 2) + 0.5);
    return Math.max(0, Math.hypot(x, y) - 0.5);
  }

  frame.addEventListener("pointerdown", (event) => {
    if (!draggable || event.button !== 0) return;
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    move(radiusAt(event));
  });
  frame.addEventListener("pointermove", (event) => {
    if (draggable && frame.hasPointerCapture(event.pointerId)) move(radiusAt(event));
  });

  return {
    /** Show circles: a wave at a radius is within its circle. */
    show([height, width], radii, held) {
      size = [height, width];
      draggable = radii.length > 0;
      frame.style.cursor = draggable ? "" : "default";
      overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
      overlay.replaceChildren();
      const x = Math.floor(width / 2) + 0.5;
      const y = Math.floor(height / 2) + 0.5;
      for (const radius of radii) {
        for (const name of ["dark", "light"]) overlay.append(made("circle", { cx: x, cy: y, r: radius + 0.5, class: name }));
      }
      if (draggable) {
        const reach = (held + 0.5) * Math.SQRT1_2; // where the circle meets the diagonal, which every square image has
        overlay.append(made("circle", { cx: x + reach, cy: y + reach, r: Math.max(width, height) / 45, class: "hold" }));
      }
    },
  };
}

/** What the spectrum shows, in words. */
export function aboutSpectrum([height, width]) {
  const corner = Math.hypot(Math.floor(height / 2), Math.floor(width / 2));
  return `Fine waves lie far from the middle; bright is strong, on a logarithmic scale. The corner is at radius ${corner.toFixed(1)}.`;
}

/** The position of that one of `places` which is next to a place. */
export function nearestTo(places, place) {
  let best = 0;
  places.forEach((each, i) => { if (Math.abs(each - place) < Math.abs(places[best] - place)) best = i; });
  return best;
}

export function made(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}
