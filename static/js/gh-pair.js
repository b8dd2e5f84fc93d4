// The editor of a pair: turns and records come and go, values that the records hold are marked in every text, and a
// lost lease is told without taking the words away.
import { toEnd } from "./gh-desk.js";
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
  nodes.push(`${text.slice(at)}\n`); // a last line break takes room in a textarea, and so it must here
  return nodes;
}

// Everything that decides where a line of text breaks.
const SHAPE = [
  "direction", "fontFamily", "fontSize", "fontStretch", "fontStyle", "fontVariant", "fontWeight", "letterSpacing", "lineHeight",
  "overflowWrap", "paddingBottom", "paddingLeft", "paddingRight", "paddingTop", "tabSize", "textAlign", "textIndent", "textTransform",
  "unicodeBidi", "whiteSpace", "wordBreak", "wordSpacing",
];

// A textarea cannot show marks; a copy of its text behind it can. (The CSS Custom Highlight API does not reach into a
// textarea either.) The copy takes its shape from the textarea as it is drawn, so that both break their lines alike.
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

// The same marks in text that was drawn from Markdown: within its tags, and with words for who does not see colours.
const SAYS = { bad: "neither the records nor the conversation hold it", warn: "look at it again" };

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

// Arrives with each answer of the checks and hands its words to every text on the page.
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
    });
    this.addEventListener("change", (event) => {
      if (event.target.name === "role") this.colour(event.target.closest("[data-row]"));
    });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !event.target.matches("textarea, input, select")) return;
      event.target.blur(); // now single letters are keys again
      event.preventDefault();
    });
    this.makeRoom = (event) => {
      for (const [kind, name] of [["turn", "message"], ["record", "record"]]) {
        const wanted = event.detail.getAll(name).length;
        while (this.rows(kind).length < wanted) this.add(kind, "user", false);
        while (this.rows(kind).length > wanted) this.rows(kind).at(-1).remove();
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
    // What was in it can be had back: a slip of the finger must not cost a long record.
    const undo = document.createElement("p");
    undo.className = "row soft small";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Put it back";
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

  /** Tells whoever saves and checks that fields came or went. */
  changed() { this.closest("form")?.dispatchEvent(new Event("input", { bubbles: true })); }
}
customElements.define("gh-pair", GhPair);

// The page that only reads has no gh-pair.
document.querySelectorAll(".conversation").forEach((box) => { if (!box.closest("gh-pair")) toEnd(box.parentElement); });

// Says that the item is not this person's any more, and what to do; the words stay where they are. Only what can be done
// is offered: an item that was submitted cannot be opened again.
class GhLease extends HTMLElement {
  connectedCallback() {
    this.tell = (event) => this.show(event.detail ?? {});
    this.hide = () => { this.hidden = true; };
    this.ask = () => document.dispatchEvent(new CustomEvent("gh-ask"));
    document.addEventListener("gh-lost", this.tell);
    document.addEventListener("gh-held", this.hide);
    document.addEventListener("gh-expired", this.ask); // only the server knows whether somebody else took it
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
