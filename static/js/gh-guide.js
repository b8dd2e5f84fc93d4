// The guideline beside the work: a drawer that stays open while a person writes. It opens at the part that the page is
// about, finds words, and gives the focus back. Alt PageDown and Alt PageUp scroll it during typing.
// The button and the popover work without this script.
import { announce, ofTab } from "./lib.js";

const STORE = "gh-guide-open"; // within a tab an open guideline stays open from one example to the next
// Where storage is forbidden, it is closed on the next page.
const remember = (open) => (open ? ofTab.set(STORE, "1") : ofTab.remove(STORE));
const remembered = () => ofTab.get(STORE) === "1";

const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu)?.map((word) => word.replace(/(?<=\p{L}{3})s$/u, "")) ?? [];

class GhGuide extends HTMLElement {
  connectedCallback() {
    this.drawer = this.querySelector("[popover]");
    this.text = this.drawer.querySelector(".prose");
    this.search = this.drawer.querySelector("[data-guide-search]");
    this.count = this.drawer.querySelector("[data-guide-count]");
    this.hits = [];
    this.drawer.addEventListener("beforetoggle", (event) => {
      if (event.newState === "open") this.from = document.activeElement;
    });
    this.drawer.addEventListener("toggle", (event) => (event.newState === "open" ? this.opened() : this.closed()));
    this.drawer.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#guide-']");
      if (!link) return;
      event.preventDefault();
      this.show(document.getElementById(link.hash.slice(1)));
      this.text.focus({ preventScroll: true });
    });
    this.search.addEventListener("input", () => this.find());
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !this.hits.length) return;
      event.preventDefault();
      this.go(this.at + (event.shiftKey ? -1 : 1));
    });
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey, true);
    if (remembered()) {
      this.quiet = true;
      this.drawer.showPopover();
    }
  }

  disconnectedCallback() { document.removeEventListener("keydown", this.onKey, true); }

  get open() { return this.drawer.matches(":popover-open"); }

  opened() {
    remember(true);
    const part = this.part();
    if (part) this.show(part);
    // The toggle event arrives a moment later: a person who is in another field by then stays there.
    const still = [this.from, document.body].includes(document.activeElement);
    if (!this.quiet && still) this.text.focus({ preventScroll: true });
    this.quiet = false;
  }

  closed() {
    remember(false);
    // The browser may have moved the focus to the page's body.
    const lost = document.activeElement === document.body || this.drawer.contains(document.activeElement);
    if (lost && this.from?.isConnected) this.from.focus({ preventScroll: true });
    this.from = null;
  }

  key(event) {
    if (!this.open || event.isComposing || document.querySelector("dialog[open]")) return;
    const within = this.drawer.contains(event.target);
    const field = event.target.matches?.("textarea, input, select, [contenteditable]") && !within;
    if (event.key === "Escape" && !field) {
      event.preventDefault();
      event.stopPropagation();
      this.drawer.hidePopover();
    } else if (["PageDown", "PageUp"].includes(event.key) && (event.altKey || !field)) {
      event.preventDefault();
      event.stopPropagation();
      this.text.scrollBy({ top: (event.key === "PageDown" ? 0.9 : -0.9) * this.text.clientHeight });
    }
  }

  /** The part for this edge case or slice: a heading, or a list item that begins with a bold name. */
  part() {
    // The present values of the fields count before the values of the loaded page.
    const fields = (this.dataset.fields ?? "").split(" ").map((id) => id && document.getElementById(id)).filter((field) => field?.value);
    const names = [
      ...fields.map((field) => (field.selectedOptions ? field.selectedOptions[0].label : field.value)),
      ...[...document.querySelectorAll("[data-guide-part]")].map((part) => part.dataset.guidePart),
    ];
    const places = [...this.text.querySelectorAll("h3, h4, h5, h6, li > strong:first-child, li > p:first-child > strong:first-child")];
    for (const name of names) {
      const sought = words(name);
      if (!sought.length) continue;
      const heading = places.find((place) => {
        const present = words(place.textContent);
        const shared = sought.filter((word) => present.includes(word)).length;
        return shared === sought.length || (shared >= 2 && shared >= sought.length / 2);
      });
      if (heading) return heading;
    }
    return null;
  }

  show(place) {
    if (!place) return;
    this.text.querySelector(".here")?.classList.remove("here");
    place.classList.add("here");
    // Only the drawer scrolls, never the page behind it.
    this.text.scrollTop += place.getBoundingClientRect().top - this.text.getBoundingClientRect().top - 12;
  }

  find() {
    const asked = this.search.value.trim().toLowerCase();
    this.hits = [];
    if (asked) {
      const walker = document.createTreeWalker(this.text, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const text = node.data.toLowerCase();
        for (let at = text.indexOf(asked); at !== -1; at = text.indexOf(asked, at + asked.length)) {
          const range = document.createRange();
          range.setStart(node, Math.min(at, node.length));
          range.setEnd(node, Math.min(at + asked.length, node.length));
          this.hits.push(range);
        }
      }
    }
    if (CSS.highlights) CSS.highlights.set("guide-hits", new Highlight(...this.hits));
    if (this.hits.length) this.go(0);
    else {
      this.count.textContent = asked ? "not found" : "";
      CSS.highlights?.delete("guide-hit");
      this.text.querySelector(".here")?.classList.remove("here");
    }
  }

  go(to) {
    this.at = (to + this.hits.length) % this.hits.length;
    const range = this.hits[this.at];
    if (CSS.highlights) CSS.highlights.set("guide-hit", new Highlight(range));
    this.show(range.startContainer.parentElement.closest("p, li, h3, h4, h5, h6, td, th, pre, blockquote") ?? this.text);
    this.text.scrollTop += range.getBoundingClientRect().top - this.text.getBoundingClientRect().top - this.text.clientHeight / 3;
    this.count.textContent = `${this.at + 1} of ${this.hits.length}`;
    announce(this.count.textContent);
  }
}
customElements.define("gh-guide", GhGuide);
