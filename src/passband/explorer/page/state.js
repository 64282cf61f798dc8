// What is looked at, as the address says it: a copied address shows the same again.

const DEFAULTS = { cut: "radius", width: "4", rho: "0", normalize: "0", epsilon: "0", steps: "10" };
const KNOWN = ["image", "upload", "at", "amplitude", ...Object.keys(DEFAULTS)];

export function readState() {
  const query = new URLSearchParams(location.search);
  const state = { ...DEFAULTS };
  for (const name of KNOWN) if (query.has(name)) state[name] = query.get(name);
  return state;
}

export function writeState(state) {
  const query = new URLSearchParams();
  for (const name of KNOWN) {
    if (state[name] != null && state[name] !== DEFAULTS[name]) query.set(name, state[name]);
  }
  const text = query.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

/** What of it decides what is computed: all but the place, which only says what comes first. */
export function wanted(state) {
  const { at, ...rest } = state;
  return JSON.stringify(rest);
}
