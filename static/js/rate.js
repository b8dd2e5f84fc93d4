// One comparison, by keyboard only: 1-4 choose, then 1-5 fill the six scales in reading order, Enter continues. Backspace
// goes back to change one. Every digit goes into the marked slot; pointer and Tab also work.
// The form is plain HTML: without this script it still works with pointer and Tab.
import { announce, lettersOff } from "./lib.js";

class GhCompare extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.ask = this.querySelector(".ask");
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey, true); // before gh-keys, which ignores prevented events
    this.addEventListener("change", (event) => this.changed(event));
    this.addEventListener("focusin", (event) => this.follow(event));
    // Before htmx and before the browser: show immediately what is missing.
    this.form.addEventListener("submit", (event) => this.check(event), true);
    this.show();
    this.mark(this.firstEmpty());
    // After a swap nothing has the focus; a screen reader starts at the question again. A new page is not changed.
    if (document.readyState === "complete") setTimeout(() => this.start(), 0);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.onKey, true);
  }

  start() {
    if (this.isConnected && document.activeElement === document.body) document.getElementById("rate-title")?.focus({ preventScroll: true });
  }

  slots() {
    const all = [...this.querySelectorAll(".slot")];
    return this.skipping() ? all.slice(0, 1) : all;
  }

  skipping() { return this.form.elements.skip_scores.checked; }
  value(slot) { return slot.querySelector("input:checked")?.value ?? ""; }
  firstEmpty() { return this.slots().find((slot) => !this.value(slot)) ?? null; }

  mark(slot) {
    this.querySelectorAll("[data-at]").forEach((other) => other.removeAttribute("data-at"));
    this.at = slot;
    slot?.setAttribute("data-at", "");
  }

  key(event) {
    if (event.defaultPrevented || event.isComposing || event.repeat || event.altKey || event.ctrlKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    const writing = target.closest?.("textarea, select, [contenteditable]");
    if (writing) {
      if (event.key === "Escape") { target.blur(); event.preventDefault(); }
      return;
    }
    if (event.key === "Enter") {
      // A focused button, link or summary keeps its own Enter.
      if (target.closest?.("button, a, summary")) return;
      event.preventDefault();
      document.getElementById("rate-next")?.click();
      return;
    }
    if (lettersOff()) return;
    if (event.key === "Backspace") { event.preventDefault(); this.back(); return; }
    if (event.key.toLowerCase() === "c") { event.preventDefault(); this.correct(); return; }
    if (/^[1-5]$/.test(event.key) && this.type(Number(event.key))) event.preventDefault();
  }

  type(number) {
    // When everything is filled, the first four digits change the choice again.
    const slot = this.at ?? this.slots()[0];
    const input = slot.querySelectorAll("input")[number - 1];
    if (!input) return true; // "5" does nothing during the choice
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  back() {
    const slots = this.slots();
    const here = this.at ? slots.indexOf(this.at) : slots.length;
    this.mark(slots[Math.max(0, here - 1)]);
    this.at.scrollIntoView({ block: "nearest" });
    announce(this.at.getAttribute("aria-label") ?? "Which answer would you send?");
  }

  correct() {
    const better = this.value(this.querySelector(".slot"));
    const side = better === "b" ? "b" : "a";
    const box = this.querySelector(`.answer[data-side="${side}"] details.correct`) ?? this.querySelector("details.correct");
    if (!box) return;
    box.open = true;
    box.querySelector("textarea").focus();
  }

  changed(event) {
    const slot = event.target.closest(".slot");
    this.ask.hidden = true;
    this.show();
    if (slot) {
      slot.classList.remove("missing");
      const slots = this.slots();
      this.mark(slots.slice(slots.indexOf(slot) + 1).find((other) => !this.value(other)) ?? this.firstEmpty());
    } else if (event.target.name === "skip_scores") {
      this.querySelectorAll(".missing").forEach((other) => other.classList.remove("missing"));
      this.mark(this.firstEmpty());
    }
  }

  // After Tab into a scale, the next digit goes there.
  follow(event) {
    const slot = event.target.closest(".slot");
    if (slot && this.slots().includes(slot)) this.mark(slot);
  }

  show() {
    const better = this.value(this.querySelector(".slot"));
    for (const answer of this.querySelectorAll(".answer")) answer.classList.toggle("chosen", answer.dataset.side === better);
  }

  check(event) {
    const empty = this.slots().filter((slot) => !this.value(slot));
    if (!empty.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    empty.forEach((slot) => slot.classList.add("missing"));
    this.ask.textContent = empty[0].dataset.name === "choice"
      ? "Choose first: 1 A is better, 2 B is better, 3 equal, 4 both bad."
      : `${empty.length === 1 ? "One score is" : `${empty.length} scores are`} missing. Press 1 to 5, or S to skip the scores.`;
    this.ask.hidden = false;
    this.mark(empty[0]);
    empty[0].scrollIntoView({ block: "nearest" });
  }
}
customElements.define("gh-compare", GhCompare);
