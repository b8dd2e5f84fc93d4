// Saves a form while it is being written, says so, and never loses a word:
//  * a pause in typing sends it; one request at a time, the newest text wins;
//  * while the server cannot be reached a copy stays in this browser and is offered again on the next visit;
//  * closing or leaving the page sends what is left with keepalive;
//  * two tabs with the same form know of each other: the draft is one, and none overwrites what the other saved. Each
//    request says which tab writes (X-Draft-Writer) and whose draft its page began with (X-Draft-Seen, `data-seen`).
// The server answers 204 or JSON {saved_at}. 409 or 422 means it will not take it (the lease went to somebody
// else, another tab saved a newer draft): saving stops and `detail` is shown, the text stays in the page and in the
// browser.
import { clock, send } from "./lib.js";

const PAUSE_MS = 900;
const KEEPALIVE_MAX = 60_000; // browsers refuse larger keepalive bodies (64 KiB)

// This tab's name. It outlives a reload, so that what a page sends while it goes away is not taken for another tab's.
let tab;
function nameTab() {
  tab = Date.now().toString(36) + Math.random().toString(36).slice(2);
  try { sessionStorage.setItem("gh-tab", tab); } catch { /* forbidden: the name lasts as long as the page */ }
}
try { tab = sessionStorage.getItem("gh-tab"); } catch { /* as above */ }
if (!tab) nameTab();

class GhAutosave extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.output = this.querySelector(".saved-state") ?? document.querySelector(`.saved-state[data-for="${CSS.escape(this.id)}"]`);
    if (!this.form) return;
    this.key = `gh-draft:${this.dataset.url}`;
    this.sent = this.pack();
    this.offerCopy();
    this.meet();
    this.onLeave = () => this.flush();
    this.onHide = () => { if (document.hidden) this.flush(); };
    this.form.addEventListener("input", () => this.later());
    this.form.addEventListener("change", () => this.later());
    // The real submit takes the newest text with it; a draft sent after it would arrive too late.
    this.form.addEventListener("submit", () => { clearTimeout(this.timer); this.sending = this.stopped = true; this.forget(); });
    // Refused or not delivered: go on saving. (htmx calls a redirect neither successful nor failed, so the status counts.)
    this.form.addEventListener("htmx:afterRequest", (event) => {
      const status = event.detail.xhr?.status ?? 0;
      if (event.target === this.form && (status === 0 || status >= 400)) this.sending = this.stopped = false;
    });
    window.addEventListener("pagehide", this.onLeave);
    document.addEventListener("visibilitychange", this.onHide);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.channel?.close();
    window.removeEventListener("pagehide", this.onLeave);
    document.removeEventListener("visibilitychange", this.onHide);
  }

  pack() {
    const body = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) {
      if (typeof value === "string" && name !== "csrfmiddlewaretoken") body.append(name, value);
    }
    return body.toString();
  }

  later(pause = PAUSE_MS) {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), pause);
  }

  async save() {
    const text = this.pack();
    if (text === this.sent || this.stopped) return;
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    this.say("Saving…", "saving");
    try {
      const answer = await send(this.dataset.url, { body: new URLSearchParams(text), headers: this.writer() });
      // A draft that was on its way when the form was sent may come too late: the form has the words.
      if (this.sending) return;
      if (answer.ok) {
        this.sent = text;
        this.failures = 0;
        this.forget();
        this.say(`Draft saved ${clock(new Date())}`, "saved");
        this.dispatchEvent(new CustomEvent("gh-saved", { bubbles: true }));
      } else if ([401, 403, 404, 409, 410, 422].includes(answer.status)) {
        const told = await answer.json().catch(() => ({}));
        this.stopped = true;
        this.keep(text);
        this.say(`Not saved. ${told.detail ?? "The server would not take it."} ${told.advice ?? ""}`.trim(), "failed");
        this.dispatchEvent(new CustomEvent("gh-lost", { bubbles: true, detail: told }));
      } else {
        this.retry(text);
      }
    } catch {
      if (!this.sending) this.retry(text);
    } finally {
      this.busy = false;
      if (this.again) { this.again = false; this.later(0); }
    }
  }

  retry(text) {
    this.failures = (this.failures ?? 0) + 1;
    this.keep(text);
    this.say("Not saved yet: the server does not answer. Your text is kept in this browser; trying again.", "failed");
    this.later(Math.min(30_000, 2000 * 2 ** Math.min(this.failures, 4)));
  }

  flush() {
    if (this.stopped || !this.form) return;
    const text = this.pack();
    if (text === this.sent) return;
    if (text.length > KEEPALIVE_MAX) { this.keep(text); return; }
    this.keep(text);
    send(this.dataset.url, { body: new URLSearchParams(text), headers: this.writer(), keepalive: true })
      .then((answer) => { if (answer.ok) { this.sent = text; this.forget(); } })
      .catch(() => {}); // the copy above is what the next visit offers
  }

  writer() {
    return { "X-Draft-Writer": tab, "X-Draft-Seen": this.dataset.seen ?? "" };
  }

  keep(text) {
    const copy = JSON.stringify({ text, at: Date.now(), tab });
    try { localStorage.setItem(this.key, copy); } catch { /* full or forbidden: nothing more to do */ }
  }

  copy() {
    try { return JSON.parse(localStorage.getItem(this.key)); } catch { return null; }
  }

  forget() {
    // What another tab could not save waits there for its own reload.
    if (this.copy()?.tab === tab) localStorage.removeItem(this.key);
  }

  offerCopy() {
    const copy = this.copy();
    if (!copy || copy.text === this.sent) { localStorage.removeItem(this.key); return; }
    const box = document.createElement("div");
    box.className = "notice warn";
    const words = document.createElement("p");
    words.textContent = `This browser kept text of ${clock(new Date(copy.at))} that never reached the server.`;
    const take = document.createElement("button");
    take.type = "button";
    take.className = "small";
    take.textContent = "Use it";
    take.addEventListener("click", () => { this.unpack(copy.text); box.remove(); this.later(0); });
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "small quiet";
    drop.textContent = "Throw it away";
    drop.addEventListener("click", () => { localStorage.removeItem(this.key); box.remove(); });
    box.append(words, take, drop);
    this.form.prepend(box);
  }

  meet() {
    this.channel = new BroadcastChannel(this.key);
    this.channel.onmessage = ({ data }) => {
      if (data.says === "anybody?") this.channel.postMessage({ says: "here", tab });
      else if (data.tab === tab) nameTab(); // a duplicated tab begins with its original's name
      this.tellOfOther();
    };
    this.channel.postMessage({ says: "anybody?" });
  }

  tellOfOther() {
    if (this.told) return;
    this.told = document.createElement("div");
    this.told.className = "notice warn";
    this.told.setAttribute("role", "status");
    const words = document.createElement("p");
    words.textContent = "This is open in another tab too. There is one draft, and the tab that saves first keeps it. Go on in one of them.";
    this.told.append(words);
    this.form.prepend(this.told);
  }

  unpack(text) {
    const kept = new URLSearchParams(text);
    // Fields that repeat (turns, records) are as many as the text has: whoever owns them makes room first.
    this.dispatchEvent(new CustomEvent("gh-unpack", { bubbles: true, detail: kept }));
    const used = {};
    for (const field of this.form.elements) {
      if (!field.name || field.name === "csrfmiddlewaretoken" || field.type === "submit" || field.type === "file") continue;
      const values = kept.getAll(field.name);
      if (field.type === "checkbox" || field.type === "radio") field.checked = values.includes(field.value);
      else if (values.length) {
        used[field.name] = (used[field.name] ?? -1) + 1;
        field.value = values[Math.min(used[field.name], values.length - 1)];
      }
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  say(words, state) {
    if (!this.output) return;
    this.output.textContent = words;
    this.output.dataset.state = state;
  }
}
customElements.define("gh-autosave", GhAutosave);
