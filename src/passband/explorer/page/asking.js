// What both pages do alike: ask for the image that the state says, send uploads, say what went wrong.

import * as source from "./source.js";

const $ = (id) => document.getElementById(id);

export function complain(error) {
  if (error?.name === "AbortError") return;
  $("problem").textContent = error?.message ?? String(error);
  $("problem").hidden = false;
}

/** `begun` makes of the first frame what `take` is given with each of the others; the latest question wins. */
export function makeAsking({ state, wanted, writeState }, { begun, take, chosen }) {
  let asking = null; // aborts what was asked for before
  let sending = 0; // counts what was chosen or sent
  let shown = "";

  async function ask() {
    const key = wanted();
    if (key === shown) return;
    shown = key;
    asking?.abort();
    const mine = (asking = new AbortController());
    $("problem").hidden = true;
    $("views").classList.add("waiting");
    writeState();
    let next = null;
    try {
      await source.look(state, (header, payload) => {
        if (mine.signal.aborted) return;
        if (header.kind === "image") next = begun(header, payload);
        else if (header.kind === "error") complain(new Error(header.message));
        else take(next, header, payload);
      }, mine.signal);
    } catch (error) {
      if (mine.signal.aborted) return;
      shown = "";
      complain(error);
    }
  }

  async function send(file, limits) {
    if (!file) return;
    const mine = ++sending;
    try {
      $("list-note").textContent = `Sending ${file.name} …`;
      const { upload } = await source.upload(file, limits);
      if (mine !== sending) return;
      delete state.image;
      state.upload = upload;
      $("list-note").textContent = "";
      chosen();
      await ask();
    } catch (error) {
      if (mine !== sending) return;
      $("list-note").textContent = "";
      complain(error);
    }
  }

  return {
    ask,
    /** Whether all that the state wants is here, or on its way. */
    here: () => wanted() === shown,
    /** Look at an image of the data. */
    choose(index) {
      sending++;
      delete state.upload;
      state.image = String(index);
    },
    /** Take files from the field, which until now would have lost them, and where they are dropped. */
    takeFiles(limits) {
      $("file").disabled = false;
      $("file").addEventListener("change", () => { send($("file").files[0], limits); $("file").value = ""; });
      if (!source.served) return;
      document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
      document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
      document.addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("dropping"); send(event.dataTransfer.files[0], limits); });
    },
  };
}

/** Let the button copy the address. */
export function copyAddress(writeState) {
  $("copy").addEventListener("click", async () => {
    writeState();
    try {
      await navigator.clipboard.writeText(location.href);
      $("kept").textContent = "Copied.";
    } catch {
      $("kept").textContent = "It is in the address bar.";
    }
  });
}

/** Say what an upload is, and what must be known. */
export function showFacts(facts, made) {
  if (facts.upload) {
    $("file").accept = facts.upload.formats.join(",");
    $("upload-note").textContent = `Uploads stay on the machine that serves this page: PNG, JPEG, WebP, GIF or BMP, up to ${facts.upload.bytes / 2 ** 20} MiB, ${made}.`;
  }
  showNotices(facts.notices);
}

export function showNotices(notices) {
  $("notices").hidden = !notices.length;
  $("notices").querySelector("ul").replaceChildren(...notices.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

/** Where nothing is asked for yet, or an export does not have it, begin with the first image. */
export function beginWith(state, facts) {
  if (facts.images) { // an export has these and no other
    delete state.upload;
    if (!facts.images.includes(Number(state.image))) delete state.image;
  }
  if (!state.upload && state.image == null && facts.count) state.image = String(facts.images?.[0] ?? 0);
}
