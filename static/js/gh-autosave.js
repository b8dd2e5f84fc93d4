// Keeps what is typed in a form until the server has it: in the editor, in reviews, in ratings and in chat.
//  * data-url: where the draft is saved (POST: 204 or {saved_at}) and where the page asks for its state (GET:
//    {editable, held, can_open, detail, advice, until, writer, next}). Without it the text is kept in this browser only,
//    under data-keep.
//  * data-seen: the tab that wrote the draft this page started with. data-lease: this person can lose the form to
//    somebody else, so the page asks again when it is shown again. data-forget: the key of another form, whose work is
//    finished when this page is shown. data-unsent: the page has text that the server has not stored (a question that
//    was refused, or that is sent next).
//  * Another form of the page that ends the draft (accept, skip) names it: data-ends="<id>".
// A pause in typing saves; one request at a time, the newest text wins. A copy stays in this browser until the server
// has accepted the text, also for the submit itself, and is offered again on the next visit. A failed save is tried
// again with growing pauses, and immediately when the browser is online or the person has signed in again. Two tabs with
// one form know about each other, and neither overwrites what the other saved (X-Draft-Writer, X-Draft-Seen).
import { away, clock, isSignIn, local, ofTab, person, send } from "./lib.js";

const PAUSE_MS = 900;
const COPY_MS = 250;
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 30_000;
const REQUEST_MS = 30_000;
const KEEPALIVE_MAX = 60_000; // browsers refuse larger keepalive bodies (64 KiB)
const COPY_DAYS = 30;
const PREFIX = "gh-draft:";

// This tab's name. It is the same after a reload: what a page sends while it closes must not look like another tab's.
let tab = ofTab.get("gh-tab");
function nameTab() {
  tab = Date.now().toString(36) + Math.random().toString(36).slice(2);
  ofTab.set("gh-tab", tab); // where storage is forbidden, the name is only kept until the page closes
}
if (!tab) nameTab();

function read(key) {
  try { return JSON.parse(local.get(key)); } catch { return null; }
}

for (const key of local.keys()) {
  if (key.startsWith(PREFIX) && !(Date.now() - read(key)?.at < COPY_DAYS * 86_400_000)) local.remove(key);
}

function moment(at) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock(date) : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock(date)}`;
}

class GhAutosave extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    if (!this.form || this.ears) return;
    this.output = this.querySelector(".saved-state") ?? document.querySelector(`.saved-state[data-for="${CSS.escape(this.id)}"]`);
    const owner = `${PREFIX}${document.body.dataset.user ?? ""}:`;
    this.key = `${owner}${this.dataset.keep ?? this.dataset.url}#${this.form.id}`;
    if (this.dataset.forget) local.remove(`${owner}${this.dataset.forget}`);
    this.unnamed = new Set([...this.form.elements].filter((field) => field.type === "hidden").map((field) => field.name));
    this.sent = this.pack(true);
    if (this.dataset.unsent !== undefined) {
      this.sent = new URLSearchParams([...new URLSearchParams(this.sent).keys()].map((name) => [name, ""])).toString();
    }
    this.notices = new Map();
    this.failures = 0;
    this.ears = new AbortController();
    this.listen();
    this.offerCopy();
    // A browser may have restored what was typed before a reload.
    if (this.dirty()) this.later(0);
    if (this.dataset.lease !== undefined) {
      this.meet();
      if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") this.check();
    }
  }

  listen() {
    const on = (target, kind, act) => target.addEventListener(kind, act, { signal: this.ears.signal });
    on(this.form, "input", () => this.changed());
    on(this.form, "change", () => this.changed());
    on(this.form, "focusin", () => this.meet());
    on(this.form, "submit", (event) => { if (!event.defaultPrevented || window.htmx) this.submitting(); });
    // Before htmx swaps in the response: afterwards this element may be gone.
    on(document, "htmx:beforeOnLoad", (event) => {
      const { target, detail } = event;
      if (target !== this.form && target.dataset?.ends !== this.id) return;
      if (detail.xhr.status < 400 && !isSignIn(detail.xhr)) this.done();
      else if (target === this.form) this.refused();
    });
    for (const kind of ["htmx:sendError", "htmx:sendAbort", "htmx:timeout"]) {
      on(this.form, kind, (event) => { if (event.target === this.form) this.refused(); });
    }
    on(window, "pagehide", () => this.flush());
    on(window, "pageshow", (event) => { if (event.persisted) this.back(); });
    on(window, "online", () => { this.later(0); if (this.dataset.lease !== undefined) this.check(); });
    on(document, "visibilitychange", () => (document.hidden ? this.flush() : this.seenAgain()));
    on(window, "focus", () => { if (this.waiting) this.later(0); });
    on(window, "beforeunload", (event) => { if (this.dirty() && this.kept === false) event.preventDefault(); });
    on(document, "gh-ask", () => { if (this.dataset.lease !== undefined) this.check(); });
  }

  disconnectedCallback() {
    // Another part of the page replaced this one: nothing here may act for the new one.
    clearTimeout(this.timer);
    clearTimeout(this.copying);
    this.channel?.close();
    this.channel = null;
    this.ears?.abort();
    this.ears = null;
  }

  /** The form's fields as text; with `asServed` as the server sent them, without what the browser restored. */
  pack(asServed = false) {
    const body = new URLSearchParams();
    for (const field of this.form.elements) {
      if (!field.name || field.name === "csrfmiddlewaretoken" || ["submit", "button", "file"].includes(field.type)) continue;
      if (field.type === "checkbox" || field.type === "radio") {
        if (asServed ? field.defaultChecked : field.checked) body.append(field.name, field.value);
      } else if (field.tagName === "SELECT") {
        const served = [...field.options].find((option) => option.defaultSelected) ?? field.options[0];
        body.append(field.name, (asServed ? served?.value : field.value) ?? "");
      } else body.append(field.name, asServed ? field.defaultValue : field.value);
    }
    return body.toString();
  }

  /** Without hidden fields: nobody types a revision or a flag that the page sends along. */
  typed(text) {
    const body = new URLSearchParams(text);
    this.unnamed.forEach((name) => body.delete(name));
    return body.toString();
  }

  same(one, other) { return this.typed(one) === this.typed(other); }
  dirty() { return !this.finished && Boolean(this.form) && !this.same(this.pack(), this.sent); }

  changed() {
    if (this.finished || this.locked) return;
    this.refusedText = false;
    clearTimeout(this.copying);
    this.copying = setTimeout(() => { if (this.dirty() && !this.sending) this.keep(this.pack()); }, COPY_MS);
    this.later();
  }

  later(pause = PAUSE_MS) {
    if (this.stopped || this.finished || this.sending || !this.ears) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), pause);
  }

  async save() {
    const text = this.pack();
    if (this.stopped || this.finished || this.sending || this.refusedText) return;
    if (this.same(text, this.sent)) {
      clearTimeout(this.copying);
      if (this.waiting) await this.connectedAgain(text);
      else this.forget();
      return;
    }
    if (!this.dataset.url) { this.keep(text); return; }
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    if (!this.waiting) this.say("Saving…", "saving");
    try {
      const answer = await send(this.dataset.url, {
        body: new URLSearchParams(text), headers: this.writer(), signal: AbortSignal.timeout(REQUEST_MS),
      });
      if (this.sending || this.finished) return; // the form itself sends the text
      if (answer.ok) {
        this.sent = text;
        this.saved();
      } else {
        await this.notSaved(text, answer);
      }
    } catch {
      if (!this.sending && !this.finished) this.retry(text, away());
    } finally {
      this.busy = false;
      if (this.again) { this.again = false; this.later(0); }
    }
  }

  saved() {
    this.failures = 0;
    this.waiting = false;
    this.clear("session");
    if (!this.dirty()) { clearTimeout(this.copying); this.forget(); }
    this.say(`Draft saved ${clock(new Date())}.${this.unsent ? " Not sent yet." : ""}`, "saved");
    this.dispatchEvent(new CustomEvent("gh-saved", { bubbles: true }));
  }

  /** Everything is saved, but the last request failed: say when the server and the session are back. */
  async connectedAgain(text) {
    const who = await person();
    if (who.is === "away") this.retry(text, away());
    else if (who.is !== "same") this.signedOut(text, who);
    else {
      this.saved();
      this.say(`Connected again.${this.unsent ? " Not sent yet." : ""}`, "saved");
    }
  }

  async notSaved(text, answer) {
    const reply = await answer.json().catch(() => ({}));
    this.keep(text);
    if (answer.status === 401) this.signedOut(text, reply);
    else if (reply.code === "other_tab") this.otherTab(reply);
    else if ([403, 404, 409, 410].includes(answer.status)) {
      this.stopped = true;
      this.say(`Not saved. ${reply.detail ?? "You cannot change this now."} ${reply.advice ?? ""}`.trim(), "failed");
      if (!(await this.check())) this.lost({ ...reply, can_open: false });
    } else if ([400, 413, 422].includes(answer.status)) {
      this.refusedText = true; // the server would refuse the same text again; the next change is tried
      const why = reply.detail ?? (answer.status === 413 ? "This text is too long to save." : "The server refused this text.");
      this.say(`Not saved. ${why} ${reply.advice ?? "Make it shorter."}`, "failed");
    } else {
      this.retry(text, reply.detail ?? "The server cannot save now.");
    }
  }

  retry(text, why) {
    this.keep(text);
    this.waiting = true;
    const where = this.kept ? "Saved on this device." : "Not saved yet. Keep this page open.";
    const sent = this.unsent ? " Not sent yet." : "";
    this.say(`${why} ${where}${sent} Trying again.`, "failed");
    this.backOff();
  }

  backOff() {
    this.later(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.failures, 8)));
    this.failures += 1;
  }

  signedOut(text, reply) {
    this.keep(text);
    this.waiting = true;
    const words = `${reply.detail} ${reply.advice}`;
    this.say(`${reply.detail} ${this.kept ? "Saved on this device." : "Not saved yet. Keep this page open."}`, "failed");
    this.notice("session", words, (box) => {
      const link = document.createElement("a");
      link.className = "btn small";
      link.href = document.body.dataset.signIn;
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = "Sign in";
      box.append(link, this.button("Save again", () => { this.failures = 0; this.later(0); }));
    });
    this.backOff();
  }

  otherTab(reply) {
    this.stopped = true;
    this.say(`Not saved. ${reply.detail}`, "failed");
    this.clear("tabs");
    this.notice("conflict", `${reply.detail} ${reply.advice}`, (box) => {
      box.append(
        this.button("Keep this text", async () => {
          const state = await this.state();
          if (state) this.dataset.seen = state.writer ?? "";
          this.stopped = false;
          this.clear("conflict");
          this.later(0);
        }),
        this.button("Show the other text", () => { this.flushed = true; window.location.reload(); }, "small quiet"),
      );
    });
  }

  // --- the form itself is sent -----------------------------------------------------------------------------
  submitting() {
    clearTimeout(this.timer);
    clearTimeout(this.copying);
    if (this.dirty() || this.waiting || this.unsent) this.keep(this.pack());
    this.sending = Boolean(this.dataset.url); // a copy that is only in this browser stays until the page with data-forget
  }

  /** For a script that sends the form itself (gh-chat): the copy does not change until `settled`. */
  hold() {
    this.submitting();
    this.sending = true;
  }

  /** The text has arrived at the server, or is in the form again. */
  settled() {
    this.sending = false;
    if (this.dirty()) this.keep(this.pack());
    else this.forget(true);
  }

  /** The server refused it, or it did not arrive: the text stays here, and saving continues. */
  refused() {
    this.sending = false;
    this.unsent = true;
    this.waiting = true;
    if (this.dirty()) this.keep(this.pack());
    this.later(0);
  }

  /** The server has accepted the form: nothing is left to save. */
  done() {
    clearTimeout(this.timer);
    clearTimeout(this.copying);
    this.finished = true;
    this.forget(true);
    this.channel?.postMessage({ says: "sent", tab });
  }

  /** The Back button restored the page from the browser's memory. */
  back() {
    if (this.finished) { window.location.reload(); return; }
    this.sending = false;
    this.seenAgain();
    if (this.dataset.lease !== undefined) this.check();
  }

  seenAgain() {
    if (this.waiting || this.dirty()) { this.failures = 0; this.later(0); }
    else person(); // renews the CSRF token after somebody signed in again in another tab
    if (this.dataset.lease !== undefined && !this.waiting) this.check();
  }

  // --- does this person still have it open? --------------------------------------------------------------------------
  async state() {
    const answer = await send(this.dataset.url, { method: "GET" }).catch(() => null);
    if (answer?.status === 401) { this.signedOut(this.pack(), await answer.json()); return null; }
    return answer?.ok ? answer.json().catch(() => null) : null;
  }

  /** Asks the server for the state of the form and shows it. Returns whether the server answered. */
  async check() {
    if (this.finished || !this.dataset.url) return false;
    const state = await this.state();
    if (!state || this.finished || !this.ears) return false;
    if (!state.editable) this.lost(state);
    else {
      if (this.locked) { window.location.reload(); return true; }
      if (!this.notices.has("conflict") && this.stopped) { this.stopped = false; this.backOff(); }
      const kind = state.held ? "gh-held" : "gh-lost";
      this.dispatchEvent(new CustomEvent(kind, { bubbles: true, detail: state }));
    }
    return true;
  }

  /** It cannot be changed here now: the text can be read and copied. */
  lost(state) {
    if (this.dirty()) this.keep(this.pack());
    this.stopped = this.locked = true;
    for (const field of this.form.elements) {
      if (field.matches("textarea, input:not([type=radio], [type=checkbox], [type=hidden])")) field.readOnly = true;
      else if (field.type !== "hidden") field.disabled = true;
    }
    this.dispatchEvent(new CustomEvent("gh-lost", { bubbles: true, detail: { ...state, can_open: false } }));
    if (document.querySelector("gh-lease")) return;
    this.notice("lost", `${state.detail ?? "You do not have this open now."} ${state.advice ?? ""}`.trim(), (box) => {
      const link = document.createElement("a");
      link.className = "btn small";
      link.href = state.next ?? window.location.href;
      link.textContent = state.next ? "Go to the next one" : "Reload";
      box.append(link);
    });
  }

  // --- leaving -------------------------------------------------------------------------------------------
  flush() {
    if (this.flushed || !this.ears || !this.dirty()) return;
    const text = this.pack();
    this.keep(text);
    if (this.sending || this.stopped || !this.dataset.url || text.length > KEEPALIVE_MAX) return;
    send(this.dataset.url, { body: new URLSearchParams(text), headers: this.writer(), keepalive: true })
      .then((answer) => { if (answer.ok) { this.sent = text; if (!this.dirty()) this.forget(); } })
      .catch(() => {}); // the next visit offers the copy above
  }

  writer() {
    return { "X-Draft-Writer": tab, "X-Draft-Seen": this.dataset.seen ?? "" };
  }

  // --- the copy in this browser ----------------------------------------------------------------------------
  keep(text) {
    this.kept = local.set(this.key, JSON.stringify({ text, at: Date.now(), tab }));
  }

  forget(whosever = false) {
    // A text that another tab could not save stays until that tab is reloaded.
    if (whosever || read(this.key)?.tab === tab) local.remove(this.key);
    this.kept = undefined;
  }

  offerCopy() {
    const copy = read(this.key);
    if (!copy) return;
    if (this.same(copy.text, this.sent)) { local.remove(this.key); return; }
    if (this.same(copy.text, this.pack())) return; // the browser has restored it already
    const blank = [...this.form.querySelectorAll("textarea")].every((field) => !field.defaultValue.trim());
    if (!this.dataset.url && blank) { this.unpack(copy.text); return; }
    this.notice("copy", `Unsaved text from ${moment(copy.at)}.`, (box) => {
      box.append(
        this.button("Restore", () => { this.clear("copy"); this.unpack(copy.text); this.later(0); }),
        this.button("Discard", () => { this.clear("copy"); local.remove(this.key); }, "small quiet"),
      );
    });
  }

  unpack(text) {
    const kept = new URLSearchParams(text);
    // Fields that repeat (turns, records): their owner first adds or removes rows to match the text.
    this.dispatchEvent(new CustomEvent("gh-unpack", { bubbles: true, detail: kept }));
    const used = {};
    for (const field of this.form.elements) {
      if (!field.name || ["submit", "file", "hidden"].includes(field.type)) continue;
      const values = kept.getAll(field.name);
      if (field.type === "checkbox" || field.type === "radio") {
        const checked = values.includes(field.value);
        if (checked === field.checked) continue;
        field.checked = checked;
        if (checked || field.type === "checkbox") field.dispatchEvent(new Event("change", { bubbles: true }));
      } else if (values.length) {
        used[field.name] = (used[field.name] ?? -1) + 1;
        const value = values[Math.min(used[field.name], values.length - 1)];
        if (field.value === value) continue;
        field.value = value;
        if (field.closest("details")) field.closest("details").open = true;
        if (field.tagName === "SELECT") field.dispatchEvent(new Event("change", { bubbles: true }));
      }
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  // --- other tabs ------------------------------------------------------------------------------------------
  meet() {
    if (this.channel || !this.dataset.url) return;
    try { this.channel = new BroadcastChannel(this.key); } catch { return; }
    this.channel.onmessage = ({ data }) => {
      if (data.says === "sent") { this.sentElsewhere(); return; }
      if (data.says === "anybody?") this.channel.postMessage({ says: "here", tab });
      else if (data.tab === tab) nameTab(); // a duplicated tab starts with the name of its original
      if (!this.notices.has("conflict")) {
        this.notice("tabs", "This is also open in another tab. Only one tab can save the draft. Continue in one of them.");
      }
    };
    this.channel.postMessage({ says: "anybody?" });
  }

  async sentElsewhere() {
    this.clear("tabs");
    this.stopped = true;
    if (this.dataset.lease !== undefined && (await this.check()) && this.locked) return;
    this.lost({ detail: "This was sent in another tab.", advice: "Copy what you need from here." });
  }

  // --- messages ---------------------------------------------------------------------------------------------
  button(words, act, look = "small") {
    const button = document.createElement("button");
    button.type = "button";
    button.className = look;
    button.textContent = words;
    button.addEventListener("click", act);
    return button;
  }

  notice(kind, words, fill) {
    const old = this.notices.get(kind);
    if (old) { if (old.dataset.words !== words) this.clear(kind); else return; }
    const box = document.createElement("div");
    box.className = "notice warn";
    box.dataset.words = words;
    box.setAttribute("role", "status");
    const line = document.createElement("p");
    line.textContent = words;
    box.append(line);
    fill?.(box);
    this.form.prepend(box);
    this.notices.set(kind, box);
  }

  clear(kind) {
    this.notices.get(kind)?.remove();
    this.notices.delete(kind);
  }

  say(words, state) {
    if (!this.output) return;
    if (this.output.textContent !== words) this.output.textContent = words;
    this.output.dataset.state = state;
  }
}
customElements.define("gh-autosave", GhAutosave);
