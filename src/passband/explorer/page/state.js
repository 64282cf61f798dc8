// What is looked at, as the address says it: a copied address shows the same again.

/** Return the state of a page: `defaults` of settings that the address leaves out, and what has none; `shown` changes nothing that is computed. */
export function makeState(defaults, others, shown = []) {
  const known = [...others, ...Object.keys(defaults)];
  const query = new URLSearchParams(location.search);
  const state = { ...defaults };
  for (const name of known) if (query.has(name)) state[name] = query.get(name);

  return {
    state,
    writeState() {
      const asked = new URLSearchParams();
      for (const name of known) if (state[name] != null && state[name] !== defaults[name]) asked.set(name, state[name]);
      const text = asked.toString();
      history.replaceState(null, "", text ? `?${text}` : location.pathname);
    },
    /** What of it decides what is computed; the place only says what comes first. */
    wanted() {
      return JSON.stringify(Object.fromEntries(Object.entries(state).filter(([name]) => name !== "at" && !shown.includes(name))));
    },
  };
}
