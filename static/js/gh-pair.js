// The editor of an example: adds and removes turns and records, marks values of the records in every text, and
// says when the lease is over; the text stays.
import { toEnd } from "./gh-desk.js";
import { applyFixes } from "./gh-fix.js";
import { announce } from "./lib.js";
import { spansOf, treeOf } from "./marking.js";

// The words to mark, by field and tone, as the last check found them: {"completion-ok": ["14 November"], ...}.
let marked = {};
let trees = {};
const TONES = ["bad", "warn", "ok"];

/** The tree of a field's words, made once for each check. */
function wordsOf(field) {
  trees[field] ??= treeOf(TONES.map((tone) => marked[`${field}-${tone}`] ?? []));
  return trees[field];
}

/** The text as nodes, marked words in <mark>. */
function paint(text, field) {
  const nodes = [];
  let at = 0;
  for (const { start, end, tone } of spansOf(text, wordsOf(field)).spans) {
    nodes.push(text.slice(at, start));
    const mark = document.createElement("mark");
    mark.className = TONES[tone];
    mark.textContent = text.slice(start, end);
    nodes.push(mark);
    at = end;
  }
  nodes.push(`${text.slice(at)}\n`); // a last line break takes a line in a textarea, so it must here too
  return nodes;
}

// Everything that decides where a line of text breaks.
const SHAPE = [
  "direction", "fontFamily", "fontSize", "fontStretch", "fontStyle", "fontVariant", "fontWeight", "letterSpacing", "lineHeight",
  "overflowWrap", "paddingBottom", "paddingLeft", "paddingRight", "paddingTop", "tabSize", "textAlign", "textIndent", "textTransform",
  "unicodeBidi", "whiteSpace", "wordBreak", "wordSpacing",
];

// A textarea cannot show marks; a copy of its text behind it can. (The CSS Custom Highlight API does not work in a
// textarea.) The copy takes its styles from the textarea, so that both break their lines alike.
class GhMarked extends HTMLElement {
  connectedCallback() {
    this.area = this.querySelector("textarea");
    this.back = document.createElement("div");
    this.back.className = "marks";
    this.back.setAttribute("aria-hidden", "true");
    this.prepend(this.back);
    this.draw = () => this.show();
    this.area.addEventListener("input", this.draw);
    this.area.addEventListener("scroll", () => { this.back.scrollTop = this.area.scrollTop; });
    document.addEventListener("gh-marks", this.draw);
    this.sizes = new ResizeObserver(() => this.fit());
    this.sizes.observe(this.area);
    this.show();
  }

  disconnectedCallback() {
    document.removeEventListener("gh-marks", this.draw);
    this.sizes?.disconnect();
    this.back?.remove();
  }

  show() {
    this.back.replaceChildren(...paint(this.area.value, this.dataset.field));
    this.fit();
  }

  fit() {
    if (!CSS.supports("field-sizing", "content")) {
      this.area.style.height = "auto";
      this.area.style.height = `${this.area.scrollHeight + 2}px`;
    }
    const drawn = getComputedStyle(this.area);
    for (const name of SHAPE) this.back.style[name] = drawn[name];
    const edges = parseFloat(drawn.borderLeftWidth) + parseFloat(drawn.borderRightWidth);
    // A fraction of a pixel moves a word to the next line, so the width is the one drawn, less the scrollbar's.
    const bar = this.area.offsetWidth - this.area.clientWidth - Math.round(edges);
    this.back.style.width = `${parseFloat(drawn.width) - Math.max(0, bar)}px`;
    this.back.style.height = drawn.height;
    this.back.scrollTop = this.area.scrollTop;
  }
}
customElements.define("gh-marked", GhMarked);

// The same marks in text that is only read.
class GhRead extends HTMLElement {
  connectedCallback() {
    this.words = this.textContent;
    this.draw = () => this.replaceChildren(...paint(this.words, this.dataset.field));
    document.addEventListener("gh-marks", this.draw);
    this.draw();
  }
  disconnectedCallback() { document.removeEventListener("gh-marks", this.draw); }
}
customElements.define("gh-read", GhRead);

// The same marks in text rendered from Markdown: within its tags, and with a title for people who do not see colours.
const SAYS = { bad: "not in the records or the conversation", warn: "please check this" };

class GhShown extends HTMLElement {
  connectedCallback() {
    this.drawn = [...this.childNodes].map((node) => node.cloneNode(true));
    this.draw = () => this.show();
    document.addEventListener("gh-marks", this.draw);
    this.show();
  }

  disconnectedCallback() { document.removeEventListener("gh-marks", this.draw); }

  show() {
    this.replaceChildren(...this.drawn.map((node) => node.cloneNode(true)));
    const walker = document.createTreeWalker(this, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      const nodes = paint(text.data, this.dataset.field);
      nodes.push(nodes.pop().slice(0, -1)); // without the line break that a textarea needs
      text.replaceWith(...nodes);
    }
    for (const mark of this.querySelectorAll("mark")) {
      if (SAYS[mark.className]) mark.title = SAYS[mark.className];
    }
    for (const legend of document.querySelectorAll(".marks-legend")) legend.hidden = !document.querySelector("gh-shown mark");
  }
}
customElements.define("gh-shown", GhShown);

// Comes with each result of the checks and gives the marked words to every text on the page.
class GhMarks extends HTMLElement {
  connectedCallback() {
    marked = JSON.parse(this.dataset.words || "{}");
    trees = {};
    document.dispatchEvent(new CustomEvent("gh-marks"));
    this.dispatchEvent(new CustomEvent("gh-counts", { bubbles: true }));
  }
}
customElements.define("gh-marks", GhMarks);

class GhPair extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const add = event.target.closest("[data-add]");
      const remove = event.target.closest("[data-remove]");
      if (add) this.add(add.dataset.add, add.dataset.role);
      if (remove) this.remove(remove.closest("[data-row]"));
      const fix = event.target.closest("[data-fix]");
      if (fix) applyFixes(this, JSON.parse(fix.dataset.fix), fix);
    });
    this.addEventListener("change", (event) => {
      if (event.target.name === "role") this.colour(event.target.closest("[data-row]"));
    });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !event.target.matches("textarea, input, select")) return;
      event.target.blur(); // now single letters are shortcuts again
      event.preventDefault();
    });
    this.makeRoom = (event) => {
      for (const [kind, name] of [["turn", "message"], ["record", "record"]]) {
        const count = event.detail.getAll(name).length;
        while (this.rows(kind).length < count) this.add(kind, "user", false);
        while (this.rows(kind).length > count) this.rows(kind).at(-1).remove();
        this.countRecords();
      }
    };
    document.addEventListener("gh-unpack", this.makeRoom);
    toEnd(this);
  }

  disconnectedCallback() { document.removeEventListener("gh-unpack", this.makeRoom); }

  rows(kind) { return [...this.querySelectorAll(`[data-row="${kind}"]`)]; }

  add(kind, role = "", focus = true) {
    const row = this.querySelector(`template[data-new="${kind}"]`).content.firstElementChild.cloneNode(true);
    const place = this.querySelector(`[data-rows="${kind}"]`);
    place.append(row);
    if (role) {
      row.querySelector("[name=role]").value = role;
      this.colour(row);
    }
    this.countRecords();
    if (!focus) return;
    // A panel that is not shown cannot take the focus.
    const panel = row.closest("[data-panel]");
    if (panel) panel.closest("gh-tabs").open(panel);
    row.querySelector("textarea").focus();
    this.changed();
    announce(kind === "turn" ? "A turn was added." : "A record was added.");
  }

  remove(row) {
    const kind = row.dataset.row;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    // The row can be restored: a wrong click must not delete a long record.
    const undo = document.createElement("p");
    undo.className = "row soft small";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Undo";
    undo.append(kind === "turn" ? "Turn removed." : "Record removed.", button);
    button.addEventListener("click", () => { undo.replaceWith(row); this.countRecords(); row.querySelector("textarea").focus(); this.changed(); });
    row.replaceWith(undo);
    this.countRecords();
    (next?.querySelector?.("textarea") ?? button).focus();
    this.changed();
  }

  colour(row) {
    const role = row.querySelector("[name=role]").value;
    row.classList.toggle("user", role === "user");
    row.classList.toggle("bot", role === "assistant");
    row.classList.toggle("system", role === "system");
  }

  countRecords() {
    const count = this.querySelector("[data-tab-count=records]");
    if (count) count.textContent = this.rows("record").length;
  }

  /** Tells the scripts that save and check that fields were added or removed. */
  changed() { this.closest("form")?.dispatchEvent(new Event("input", { bubbles: true })); }
}
customElements.define("gh-pair", GhPair);

// The page that only reads has no gh-pair.
document.querySelectorAll(".conversation").forEach((box) => { if (!box.closest("gh-pair")) toEnd(box.parentElement); });

// Says that this person does not have the example open now, and what to do; the text stays. Only possible actions
// are offered: a submitted example cannot be opened again.
class GhLease extends HTMLElement {
  connectedCallback() {
    this.tell = (event) => this.show(event.detail ?? {});
    this.hide = () => { this.hidden = true; };
    this.ask = () => document.dispatchEvent(new CustomEvent("gh-ask"));
    document.addEventListener("gh-lost", this.tell);
    document.addEventListener("gh-held", this.hide);
    document.addEventListener("gh-expired", this.ask); // only the server knows whether somebody else has it
  }

  disconnectedCallback() {
    document.removeEventListener("gh-lost", this.tell);
    document.removeEventListener("gh-held", this.hide);
    document.removeEventListener("gh-expired", this.ask);
  }

  show({ detail = this.dataset.over, advice = "", can_open: canOpen = false }) {
    const words = `${detail} ${advice}`.trim();
    this.querySelector("[data-words]").textContent = words;
    this.querySelectorAll("[data-open]").forEach((form) => { form.hidden = !canOpen; });
    if (this.hidden) announce(words);
    this.hidden = false;
  }
}
customElements.define("gh-lease", GhLease);
