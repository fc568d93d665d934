"use strict";
// Keeps what is filled in within this browser, and saves it as one small file. Nothing is sent anywhere, unless the page
// comes from a server that takes what is filled in: then it goes there, and into a file where that fails.
(() => {
  const form = document.querySelector("form");
  const groups = [...form.querySelectorAll("fieldset[data-key]")];
  const about = [...form.querySelectorAll("[data-about]")];
  const status = document.getElementById("status");
  const drawer = form.dataset.form + " " + form.dataset.sheet;
  const chosen = (group) => group.querySelector("input:checked");
  const openGroups = () => groups.filter((group) => !chosen(group));
  const patience = 20000; // milliseconds until the server counts as silent
  let isTold = false;
  let isSent = false;
  let isSending = false;

  function count() {
    const n = groups.length;
    status.textContent = isTold ? sumUp() : n - openGroups().length + " of " + n + " " + form.dataset.done;
  }

  // A page for the web tells afterwards which reply was real. The seal only keeps that from being read at a glance.
  function findReal(group) {
    const sealed = parseInt(group.dataset.seal, 16) - parseInt(group.dataset.key.slice(0, 2), 16);
    return ((sealed + 256) % 256) % group.querySelectorAll("input").length;
  }

  function sumUp() {
    const found = groups.filter((group) => Number(chosen(group).value) === findReal(group)).length;
    const chance = groups.reduce((sum, group) => sum + 1 / group.querySelectorAll("input").length, 0);
    return "You found " + found + " of " + groups.length + "; guessing finds " + Math.round(chance * 10) / 10 + ".";
  }

  // What was picked is locked: only guesses made before the telling count.
  function tell() {
    isTold = true;
    for (const group of groups) {
      const real = findReal(group);
      [...group.querySelectorAll(".reply")].forEach((reply, place) => {
        reply.classList.toggle("real", place === real);
        reply.querySelector(".letter").textContent += " \u00b7 " + (place === real ? form.dataset.real : form.dataset.made);
      });
    }
    for (const field of form.querySelectorAll("input, select")) field.disabled = true;
    nameButton();
  }

  function nameButton() {
    const again = form.dataset.post && !isSent ? "Send again" : "Save the file again";
    form.querySelector("button[type=submit]").textContent = isSent ? "Save a copy" : again;
  }

  function collect() {
    const filled = {};
    for (const group of groups) {
      if (chosen(group)) filled[group.dataset.key] = Number(chosen(group).value);
    }
    const people = Object.fromEntries(about.map((field) => [field.name, field.value.trim()]));
    return { ...people, [form.dataset.field]: filled };
  }

  // A page opened from disk may be denied a drawer; then the sheet must be filled in at one go.
  function keep() {
    try { localStorage.setItem(drawer, JSON.stringify({ ...collect(), isTold, isSent })); } catch { /* no drawer */ }
  }

  function restore() {
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(drawer)); } catch { /* no drawer */ }
    if (!kept) return;
    for (const field of about) field.value = kept[field.name] || field.value;
    for (const group of groups) {
      const value = (kept[form.dataset.field] || {})[group.dataset.key];
      const input = [...group.querySelectorAll("input")].find((one) => Number(one.value) === value);
      if (input) input.checked = true;
    }
    isSent = Boolean(kept.isSent && form.dataset.post);
    if (kept.isTold && form.dataset.real && !openGroups().length) tell();
  }

  function offer(text) {
    const name = about[0].value.trim().toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "sheet";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = form.dataset.file + "-" + name + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return link.download;
  }

  const say = (text) => { status.textContent = (isTold ? sumUp() + " " : "") + text; };

  function save(text, why) {
    const name = offer(text);
    say(why + "Saved as " + name + "." + (isSent ? "" : " Please send that file " + form.dataset.to + "."));
  }

  // Why the server did not take it; empty: it did.
  async function post(body) {
    try {
      const headers = { "content-type": "application/json" };
      const told = await fetch(form.dataset.post, { method: "POST", headers, body, signal: AbortSignal.timeout(patience) });
      return told.ok ? "" : (await told.json()).error.message;
    } catch {
      return "the server does not answer.";
    }
  }

  async function send(text) {
    if (isSending) return;
    isSending = true;
    say("Sending \u2026");
    const reason = await post(text);
    isSending = false;
    isSent = !reason;
    nameButton();
    keep();
    if (isSent) say("Your guesses were sent. Thank you!");
    else save(text, "Not sent: " + reason + " ");
  }

  form.addEventListener("change", (event) => {
    event.target.closest("fieldset")?.classList.remove("open");
    keep();
    count();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep();
    const missing = about.find((field) => !field.value.trim() && !("optional" in field.dataset));
    const open = openGroups();
    for (const group of open) group.classList.add("open");
    if (missing) {
      status.textContent = "Please fill in: " + missing.labels[0].textContent.trim();
      missing.focus();
    } else if (open.length) {
      status.textContent = open.length + " still open; this is the first of them.";
      open[0].querySelector("input").focus({ preventScroll: true });
      // Where an item holds one group, what stands above that group belongs to it.
      const item = open[0].closest(".item");
      (item.querySelectorAll("fieldset").length > 1 ? open[0] : item).scrollIntoView({ block: "start" });
    } else {
      // Two visitors of one name, or of none, must not count as one. The second saving is by the same visitor.
      if (form.dataset.real && !isTold) {
        const number = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
        about[0].value = (about[0].value.trim() || "visitor") + " " + number;
      }
      const file = {
        form: form.dataset.form,
        show: form.dataset.show,
        sheet_sha256: form.dataset.sheet,
        seed: Number(form.dataset.seed),
        [form.dataset.total]: groups.length,
        ...collect(),
      };
      if (form.dataset.real && !isTold) tell();
      keep();
      const text = JSON.stringify(file, null, 1) + "\n";
      if (form.dataset.post && !isSent) send(text);
      else save(text, "");
    }
  });
  restore();
  count();
})();
