"use strict";
// What the browser does by itself: it copies and saves what is shown. Every answer keeps its label.
window.econchatr = (() => {
  const text = (part) => (part ? part.innerText.trim() : "");

  function read() {
    return [...document.querySelectorAll("#chat-pane article")].map((card) => {
      const said = text(card.querySelector(".said"));
      if (card.classList.contains("you")) return { role: "user", content: said };
      return {
        role: "assistant",
        content: said,
        model: text(card.querySelector("header b")),
        label: text(card.querySelector(".label")),
        drawn: text(card.querySelector(".took")).replace(/\s*\n\s*/g, ", "),
      };
    });
  }

  function write(messages) {
    const quote = (said) => said.split("\n").map((line) => `> ${line}`).join("\n");
    return messages.map((one) => one.role === "user" ? `**You:** ${one.content}`
      : `**${one.model}** (${one.label})\n\n${quote(one.content)}`).join("\n\n") + "\n";
  }

  async function copy(said) {
    try {
      await navigator.clipboard.writeText(said);
    } catch { // a page that is not served from this machine may not
      const field = document.createElement("textarea");
      field.value = said;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }

  function save(name, kind, said) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([said], { type: kind }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000); // some browsers read it later
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const card = button.closest("article");
    copy(`${text(card.querySelector(".said"))}\n\n(${text(card.querySelector(".label"))})`);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  return {
    copy: () => copy(write(read())),
    markdown: () => save("chat.md", "text/markdown", write(read())),
    json: () => save("chat.json", "application/json", JSON.stringify(read(), null, 2)),
  };
})();
