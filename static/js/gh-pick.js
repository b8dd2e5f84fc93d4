// A list for the keyboard: J and K move from row to row, X or space selects, O opens. The number of selected rows is in
// the bar at the bottom. Its buttons ask first, in a dialog of the page ([data-pick-ask] is its id).
// After a decision the page comes again: to the row that took the place of the decided one, and not to the top.
import { ofTab } from "./lib.js";

const PLACE = "gh-pick-place";
const SOON = 20_000; // ms: a page that loads later was opened by the person, not by a decision
const bar = () => document.getElementById("bulk-bar");

class GhPick extends HTMLElement {
  connectedCallback() {
    this.addEventListener("change", (event) => {
      if (event.target.matches("[data-all]")) this.boxes().forEach((box) => { box.checked = event.target.checked; });
      this.show();
    });
    this.addEventListener("click", (event) => {
      const button = event.target.closest("[data-pick-do], [data-pick-close]");
      if (!button) return;
      if (button.matches("[data-pick-close]")) button.closest("dialog").close();
      else this[button.dataset.pickDo]();
    });
    for (const dialog of this.querySelectorAll("dialog")) {
      dialog.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        dialog.querySelector("[data-pick-go]").click();
      });
      // The server sent the dialog open again: a field in it is missing.
      if (dialog.open) { dialog.close(); dialog.showModal(); dialog.querySelector("textarea")?.focus(); }
    }
    this.addEventListener("submit", (event) => this.keepPlace(event.target));
    this.show();
    this.findPlace();
  }

  keepPlace(form) {
    const rows = this.rows();
    const at = rows.findIndex((row) => (form.id === "bulk" ? row.hasAttribute("data-selected") : row.contains(form)));
    if (at < 0 || form.id === "open") return;
    const place = { path: window.location.pathname, at, top: rows[at].getBoundingClientRect().top, when: Date.now() };
    ofTab.set(PLACE, JSON.stringify(place));
  }

  findPlace() {
    const place = JSON.parse(ofTab.get(PLACE) || "null");
    ofTab.remove(PLACE);
    const rows = this.rows();
    if (!rows.length || place?.path !== window.location.pathname || Date.now() - place.when > SOON) return;
    this.go(place.at);
    const row = rows[Math.min(place.at, rows.length - 1)];
    window.scrollBy(0, row.getBoundingClientRect().top - place.top);
  }

  disconnectedCallback() {
    // A filter may leave nothing in the list.
    queueMicrotask(() => { if (!document.querySelector("gh-pick")) count(0); });
  }

  boxes() { return [...this.querySelectorAll("[data-pick] input[type=checkbox]:not(:disabled)")]; }

  show() {
    const boxes = this.boxes();
    const chosen = boxes.filter((box) => box.checked).length;
    const all = this.querySelector("[data-all]");
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
      all.disabled = !boxes.length;
    }
    for (const row of this.querySelectorAll("[data-pick]")) {
      row.toggleAttribute("data-selected", Boolean(row.querySelector("input[type=checkbox]")?.checked));
    }
    count(chosen);
  }

  rows() { return [...this.querySelectorAll("[data-pick]")]; }
  here() { return this.rows().indexOf(document.activeElement?.closest("[data-pick]")); }
  next() { this.go(this.here() + 1); }
  before() { this.go(this.here() < 0 ? this.rows().length - 1 : this.here() - 1); }

  go(at) {
    const row = this.rows()[Math.max(0, Math.min(at, this.rows().length - 1))];
    (row?.querySelector("input[type=checkbox]:not(:disabled)") ?? row?.querySelector("a"))?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  toggle() {
    if (this.here() < 0) { this.go(0); return; }
    this.rows()[this.here()].querySelector("input[type=checkbox]:not(:disabled)")?.click();
  }

  open() { this.rows()[this.here()]?.querySelector("button[form=open]")?.click(); }
}

function count(chosen) {
  document.querySelectorAll("[data-pick-number]").forEach((place) => { place.textContent = chosen ? ` ${chosen}` : ""; });
  document.querySelectorAll("[data-pick-words]").forEach((place) => {
    place.textContent = chosen === 1 ? "1 example" : `${chosen} examples`;
  });
  const words = bar()?.querySelector("[data-pick-count]");
  if (words) words.textContent = chosen ? `${chosen} selected` : "Nothing selected";
  bar()?.querySelectorAll("button").forEach((button) => { button.disabled = !chosen; });
}

// The bar is outside the list, at the bottom of the page.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick-ask]");
  const dialog = button && document.getElementById(button.dataset.pickAsk);
  if (!dialog) return;
  event.preventDefault();
  dialog.showModal();
  (dialog.querySelector("textarea") ?? dialog.querySelector("[data-pick-go]")).focus();
});

customElements.define("gh-pick", GhPick);
