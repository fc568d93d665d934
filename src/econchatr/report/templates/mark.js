"use strict";
// Shows one answer after another, and sends each mark to the server that gave the page. Texts are set as text only.
(() => {
  const at = (id) => document.getElementById(id);
  const who = at("who");
  const values = { 1: 1, j: 1, 2: 0.5, k: 0.5, 3: 0, l: 0, 0: 0 };
  const beginning = Number(who.dataset.beginning), slack = Number(who.dataset.slack); // words
  const pause = 150; // a key that bounces must not mark an answer nobody has seen
  let cards = [], place = 0, last = Number(who.dataset.first), scorer = who.dataset.name, shown = 0, sending = Promise.resolve();

  const show = (id, isShown) => { at(id).hidden = !isShown; };
  const isOpen = (card) => card.mark === null;
  const firstOpen = () => cards.slice(0, last).findIndex(isOpen);

  function tell(text) { at("status").textContent = text; }

  function draw() {
    const isDone = place < 0;
    show("card", !isDone);
    show("bar", true);
    show("done", isDone);
    for (const button of document.querySelectorAll("[data-value]")) button.disabled = isDone;
    at("back").disabled = isDone ? !cards.length : place === 0;
    if (isDone) return finish();
    const card = cards[place];
    const nFirst = Number(who.dataset.first);
    at("progress").textContent = place < nFirst ? `${place + 1} of ${nFirst}`
      : `${place + 1 - nFirst} of ${cards.length - nFirst} further tries`;
    at("question").textContent = card.question;
    at("expected").textContent = card.expected;
    show("expected-line", card.expected !== "");
    put(card.text, beginning);
    at("real").replaceChildren(...card.real.map((text) => {
      const quote = document.createElement("blockquote");
      quote.dir = "auto";
      quote.textContent = text;
      return quote;
    }));
    show("real-part", card.real.length > 0);
    for (const button of document.querySelectorAll("[data-value]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.value) === card.mark));
    }
    scrollTo(0, 0);
    at("answer").focus({ preventScroll: true });
    shown = performance.now();
  }

  // Shows so many words of the answer, or all of it where little more would be left.
  function put(text, nWords) {
    const words = [...text.matchAll(/\S+/g)];
    const isCut = words.length > nWords + slack;
    at("answer").textContent = isCut ? `${text.slice(0, words[nWords].index).trimEnd()} …` : text;
    show("rest", isCut);
    at("rest-words").textContent = words.length - nWords;
  }

  function showRest() {
    put(cards[place].text, Infinity);
    at("answer").focus({ preventScroll: true });
  }

  function finish() {
    const further = cards.length - last;
    at("done-title").textContent = `All ${last} ${last === cards.length ? "" : "first "}answers are marked. Thank you.`;
    show("more-part", further > 0);
    at("more").textContent = `Mark ${further} further tries, for the best of several`;
    (further > 0 ? at("more") : at("done-title")).focus();
  }

  async function send(card, value) {
    const body = JSON.stringify({ scorer, key: card.key, value });
    let reason = "the server does not answer; start `econchatr mark` again";
    try {
      const told = await fetch("/marks", { method: "POST", headers: { "content-type": "application/json" }, body });
      if (told.ok) return;
      reason = (await told.json()).reason || reason;
    } catch { /* told below */ }
    card.mark = null;
    place = cards.indexOf(card);
    draw();
    tell(`Not saved: ${reason}`);
  }

  function mark(value) {
    if (place < 0 || performance.now() - shown < pause) return;
    const card = cards[place];
    card.mark = value;
    sending = sending.then(() => send(card, value));
    tell(`Number ${place + 1}: ${value === 0.5 ? "½" : value}`);
    place = firstOpen();
    draw();
  }

  function back() {
    place = place < 0 ? last - 1 : Math.max(place - 1, 0);
    draw();
  }

  async function start() {
    const told = await fetch(`/answers?scorer=${encodeURIComponent(scorer)}`);
    cards = await told.json();
    show("who", false);
    document.body.classList.add("marking");
    if (cards.slice(0, last).every((card) => !isOpen(card)) && cards.slice(last).some((card) => !isOpen(card))) last = cards.length;
    place = firstOpen();
    draw();
  }

  who.addEventListener("submit", (event) => {
    event.preventDefault();
    scorer = at("scorer").value.trim();
    if (!scorer) return at("scorer").focus();
    try { localStorage.setItem("econchatr scorer", scorer); } catch { /* no drawer */ }
    start();
  });
  at("more").addEventListener("click", () => { last = cards.length; place = firstOpen(); draw(); });
  at("rest").addEventListener("click", showRest);
  at("back").addEventListener("click", back);
  for (const button of document.querySelectorAll("[data-value]")) {
    button.addEventListener("click", () => mark(Number(button.dataset.value)));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || at("bar").hidden) return;
    const key = event.key.toLowerCase();
    if (key === " " && !at("rest").hidden && event.target.tagName !== "BUTTON") { event.preventDefault(); showRest(); }
    else if (key in values) mark(values[key]);
    else if (key === "backspace" || key === "u") { event.preventDefault(); back(); }
  });
  if (scorer) start();
  else {
    show("who", true);
    try { at("scorer").value = localStorage.getItem("econchatr scorer") || ""; } catch { /* no drawer */ }
    at("scorer").focus();
  }
})();
