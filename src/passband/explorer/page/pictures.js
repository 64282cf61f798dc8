// From bytes to pictures.

const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37]];

/** Draw pixels, channels last, one or three of them. */
export function draw(canvas, bytes, [height, width], channels) {
  const pixels = blank(canvas, height, width);
  const data = pixels.data;
  for (let i = 0, at = 0; at < data.length; i += channels, at += 4) {
    data[at] = bytes[i];
    data[at + 1] = bytes[channels === 3 ? i + 1 : i];
    data[at + 2] = bytes[channels === 3 ? i + 2 : i];
    data[at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Draw levels in the colors of heat maps. */
export function drawLevels(canvas, bytes, [height, width]) {
  const pixels = blank(canvas, height, width);
  const data = pixels.data;
  for (let i = 0; i < bytes.length; i++) {
    const step = (bytes[i] / 255) * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(step), VIRIDIS.length - 2);
    for (let c = 0; c < 3; c++) data[4 * i + c] = VIRIDIS[low][c] + (step - low) * (VIRIDIS[low + 1][c] - VIRIDIS[low][c]);
    data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function blank(canvas, height, width) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return new ImageData(width, height);
}
