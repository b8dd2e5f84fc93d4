// Keyboard shortcuts. A control declares its own: <button data-key="j" data-key-label="skip">. So a shortcut exists
// only while its control exists, does what the control does, and a disabled control has none.
// "?" lists the shortcuts of the page. Single letters can be switched off (WCAG 2.1.4): speech input would trigger them.
import { lettersOff, setLettersOff } from "./lib.js";

const names = { ctrl: "Ctrl", alt: "Alt", enter: "Enter", shift: "Shift", esc: "Esc", arrowleft: "←", arrowright: "→" };

function pressed(event) {
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("ctrl");
  if (event.altKey) parts.push("alt");
  let key = event.key === "Escape" ? "esc" : event.key.toLowerCase();
  // Alt makes other characters of letters and digits on some keyboards; the key itself is meant.
  if (event.altKey && /^(Key[A-Z]|Digit\d)$/.test(event.code)) key = event.code.at(-1).toLowerCase();
  // Shift counts only where the character does not already show it ("?" always needs Shift).
  if (event.shiftKey && key.length > 1) parts.push("shift");
  parts.push(key);
  return parts.join("+");
}

function typing(target) {
  return target.closest?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button], [type=submit])");
}

function usable(control) {
  return !control.disabled && control.getAttribute("aria-disabled") !== "true" && control.checkVisibility?.() !== false;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.repeat) return;
  const combination = pressed(event);
  const single = !combination.includes("+") && combination !== "esc";
  if (single && (typing(event.target) || lettersOff())) return;
  if (document.querySelector("dialog[open]")) return;
  if (combination === "?") {
    event.preventDefault();
    showAll();
    return;
  }
  // A control may have several keys, with spaces between: a letter, and one with Alt that works while typing too.
  // Where several forms have the same key (each answer of a chat has its correction form), use the form with the focus.
  const offers = [...document.querySelectorAll(`[data-key~="${CSS.escape(combination)}"]`)].filter(usable);
  const control = offers.find((offer) => offer.form && offer.form === event.target.form) ?? offers[0];
  if (!control) return;
  event.preventDefault();
  if (control.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=submit], [type=button])")) enter(control);
  else if (control.matches("details")) { control.open = !control.open; control.querySelector("summary")?.focus(); }
  else control.click();
});

// The caret stays where the person left it; in a text not used yet it goes to the end.
const touched = new WeakSet();
for (const kind of ["keydown", "pointerdown", "input"]) {
  document.addEventListener(kind, (event) => { if (!event.altKey && !event.ctrlKey) touched.add(event.target); }, true);
}
function enter(field) {
  field.focus();
  if (!touched.has(field) && field.matches("textarea, input:not([type=number], [type=email], [type=date])")) {
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

function caps(combination) {
  const box = document.createElement("span");
  combination.split("+").forEach((part, index) => {
    if (index) box.append(" ");
    const cap = document.createElement("kbd");
    cap.textContent = names[part] ?? part.toUpperCase();
    box.append(cap);
  });
  return box;
}

function showAll() {
  const dialog = document.createElement("dialog");
  const title = document.createElement("h2");
  title.textContent = "Keyboard shortcuts on this page";
  title.id = "key-list-title";
  dialog.setAttribute("aria-labelledby", title.id);
  const list = document.createElement("dl");
  list.className = "key-list";
  const seen = new Set();
  for (const control of document.querySelectorAll("[data-key]")) {
    if (seen.has(control.dataset.key) || !usable(control)) continue;
    seen.add(control.dataset.key);
    const key = document.createElement("dt");
    control.dataset.key.split(" ").forEach((one, index) => key.append(...(index ? [" or "] : []), caps(one)));
    const words = document.createElement("dd");
    words.textContent = control.dataset.keyLabel || control.getAttribute("aria-label") || control.textContent.trim();
    list.append(key, words);
  }
  const help = document.createElement("dt");
  help.append(caps("?"));
  const helpWords = document.createElement("dd");
  helpWords.textContent = "show this list";
  list.append(help, helpWords);

  const label = document.createElement("label");
  label.className = "check";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !lettersOff();
  box.addEventListener("change", () => setLettersOff(!box.checked));
  const boxWords = document.createElement("span");
  boxWords.textContent = "Single-letter keys (switch off for speech input)";
  label.append(box, boxWords);

  const end = document.createElement("div");
  end.className = "form-end";
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  end.append(close);
  dialog.append(title, list, label, end);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// The footer also has a "?" button for the mouse, after the keys of the page.
class GhKeys extends HTMLElement {
  connectedCallback() {
    // The footer must not cover what is scrolled to: layout.css leaves this much space.
    const foot = this.closest(".keys") ?? this;
    this.sizes = new ResizeObserver(() => document.documentElement.style.setProperty("--foot", `${foot.offsetHeight}px`));
    this.sizes.observe(foot);
    if (this.querySelector(".key-all")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "key key-all";
    button.append(caps("?"), " all keys");
    button.addEventListener("click", showAll);
    const end = this.querySelector(".end");
    if (end) end.before(button);
    else this.append(button);
  }

  disconnectedCallback() { this.sizes?.disconnect(); }
}
customElements.define("gh-keys", GhKeys);
