"use strict";
(() => {
  const form = document.getElementById("filter");
  const words = document.getElementById("words");
  const shown = document.getElementById("shown");
  const findings = [...document.querySelectorAll(".finding")].map((it) => [it, it.textContent.toLowerCase()]);
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set([...form.querySelectorAll("input:checked")].map((box) => box.value));
    let count = 0;
    for (const [it, text] of findings) {
      it.hidden = !severities.has(it.dataset.severity) || !wanted.every((word) => text.includes(word));
      count += !it.hidden;
    }
    shown.textContent = count === findings.length ? "" : `${count} of ${findings.length} shown`;
  };
  form.hidden = findings.length < 2;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
})();
