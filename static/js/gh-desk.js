// The pages where a person works on an example: records and checks are in tabs beside the text, notices share one line.
// A long conversation is scrolled to its end, so that the text to write is on the first screen.
const NARROW = matchMedia("(max-width: 60rem)"); // the same width as in annotate.css

// Tabs (WAI-ARIA: arrow keys, Home, End). On a narrow screen they are a bar at the bottom: a tab opens its panel above the
// bar, and pressing it again closes it. Fields in a panel that is not shown are still sent with the form.
class GhTabs extends HTMLElement {
  connectedCallback() {
    this.tabs = [...this.querySelectorAll("[role=tab]")];
    this.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) this.press(tab);
    });
    this.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
      const at = this.tabs.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
      if (to === undefined || at < 0) return;
      event.preventDefault();
      const tab = this.tabs[(to + this.tabs.length) % this.tabs.length];
      tab.focus();
      this.choose(tab);
    });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !NARROW.matches || !this.hasAttribute("data-open") || event.defaultPrevented) return;
      event.preventDefault();
      this.removeAttribute("data-open");
      this.chosen().focus();
    });
    // A key that adds a record, or an error in a panel: show the panel with the focus.
    this.addEventListener("focusin", (event) => {
      const panel = event.target.closest("[data-panel]");
      if (panel) this.open(panel);
    });
    this.onMarks = (event) => this.counts(event.target);
    document.addEventListener("gh-counts", this.onMarks);
    this.sizes = new ResizeObserver(() => {
      document.documentElement.style.setProperty("--side-foot", NARROW.matches ? `${this.offsetHeight}px` : "0px");
    });
    this.sizes.observe(this);
    const wrong = this.querySelector("[data-panel]:has(.error)");
    this.choose(wrong ? this.tabOf(wrong) : this.chosen());
    // A link may lead to one of the panels.
    const asked = location.hash && document.getElementById(location.hash.slice(1));
    if (asked && !wrong && this.contains(asked) && asked.matches("[data-panel]")) this.open(asked);
  }

  disconnectedCallback() {
    document.removeEventListener("gh-counts", this.onMarks);
    this.sizes?.disconnect();
    document.documentElement.style.removeProperty("--side-foot");
  }

  chosen() { return this.tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? this.tabs[0]; }
  tabOf(panel) { return this.tabs.find((tab) => tab.getAttribute("aria-controls") === panel.id); }

  press(tab) {
    const again = tab === this.chosen() && this.hasAttribute("data-open");
    this.choose(tab);
    if (again) this.removeAttribute("data-open");
    else this.setAttribute("data-open", "");
  }

  /** Shows the panel and opens the side. */
  open(panel) {
    this.choose(this.tabOf(panel));
    this.setAttribute("data-open", "");
  }

  choose(chosen) {
    for (const tab of this.tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).toggleAttribute("data-off", !on);
    }
  }

  /** The tab of the checks shows the number of findings while another tab is open. */
  counts(marks) {
    const place = this.querySelector("[data-tab-count=checks]");
    const { wrong = "0", look = "0" } = marks.dataset;
    place.textContent = wrong !== "0" ? `${wrong} wrong` : look !== "0" ? `${look} to check` : "";
    place.dataset.tone = wrong !== "0" ? "bad" : "warn";
  }
}
customElements.define("gh-tabs", GhTabs);

// One line for all notices: notices that other scripts put into the form are moved here.
class GhStatus extends HTMLElement {
  connectedCallback() {
    const form = document.getElementById(this.dataset.form);
    if (!form) return;
    const gather = () => this.append(...form.querySelectorAll(":scope > .notice"));
    this.watch = new MutationObserver(gather);
    this.watch.observe(form, { childList: true });
    gather();
  }
  disconnectedCallback() { this.watch?.disconnect(); }
}
customElements.define("gh-status", GhStatus);

/** Scrolls a conversation to its end: the completion answers the last turn. */
export function toEnd(page) {
  for (const box of page.querySelectorAll(".conversation")) {
    let atEnd = true; // until the person scrolls; a notice above must not push the last words out of view
    const follow = () => { if (atEnd) box.scrollTop = box.scrollHeight; };
    box.addEventListener("scroll", () => { atEnd = box.scrollHeight - box.clientHeight - box.scrollTop < 4; });
    const sizes = new ResizeObserver(follow);
    sizes.observe(box);
    for (const part of box.children) sizes.observe(part);
    follow();
  }
}
