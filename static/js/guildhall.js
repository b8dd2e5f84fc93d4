// Loads the custom elements of all pages and listens to htmx for the whole page. A page's own elements are separate
// modules in its block "scripts". There is no bundler.
import { SIGNED_OUT, announce, away, isSignIn, pageHeaders, person, toast } from "./lib.js";
import { inWork } from "./written.js";
import "./gh-autosave.js";
import "./gh-chart.js";
import "./gh-choice.js";
import "./gh-confirm.js";
import "./gh-copy.js";
import "./gh-guide.js";
import "./gh-heartbeat.js";
import "./gh-keys.js";
import "./gh-menu.js";
import "./gh-section.js";
import "./gh-theme.js";
import "./gh-time.js";
import "./gh-toast.js";
import "./gh-words.js";

// The server may send an expected error as a message and say where to put it (HX-Retarget). htmx would
// not swap a 4xx or 5xx, so it is allowed here, for these responses only.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Retarget")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

// Every request says for which person its page was made: text of one person must not go to another person's account.
document.addEventListener("htmx:configRequest", (event) => { Object.assign(event.detail.headers, pageHeaders()); });

// When the session has ended, a swap gets the sign-in page. That must not go inside a card: show a message, change
// nothing. A page that polls shows it once; a person who presses a button sees it each time.
let signedOut = false;
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isSignIn(event.detail.xhr)) return;
  event.detail.shouldSwap = false;
  const quiet = isQuiet(event.detail.requestConfig);
  if (!quiet || !signedOut) toast(SIGNED_OUT.detail, "error", SIGNED_OUT.advice);
  signedOut = true;
});

// Any other error: show the message of the error page; the page and what was typed stay.
document.addEventListener("htmx:responseError", async (event) => {
  const { xhr, requestConfig } = event.detail;
  if (isQuiet(requestConfig)) return;
  if (xhr.status === 401 || xhr.status === 403) {
    const who = await person();
    if (who.is === "out" || who.is === "other") { toast(who.detail, "error", who.advice); return; }
    if (who.is === "same" && xhr.getResponseHeader("X-Refused") === "csrf") {
      toast("You signed in again after this page was opened. Nothing was sent.", "warning", "What you typed is still here. Send it again.");
      return;
    }
  }
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const message = page.querySelector("[data-error-message]")?.textContent.trim();
  const advice = page.querySelector("[data-error-advice]")?.textContent.trim();
  toast(message || withoutWords(xhr.status), "error", advice || "What you typed is still here. Try again.");
});

function withoutWords(status) {
  if (status === 413) return "This is too large to send.";
  return status >= 500 ? `The server cannot do this now (${status}).` : `The server refused this (${status}).`;
}

let offline = null;
document.addEventListener("htmx:sendError", (event) => {
  event.preventDefault();
  // A page that polls must not add many messages while the server is offline: one now, and one when it is online again.
  if (offline?.isConnected && isQuiet(event.detail.requestConfig)) return;
  offline?.remove();
  const kept = event.target.closest?.("gh-autosave") ? "Your text is saved. Send it again when you are online." : "";
  offline = toast(away(), "error", kept || "What you typed is still here. Try again when you are online.");
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (offline && event.detail.xhr?.status > 0) {
    offline.remove();
    offline = null;
    toast("You are online again.", "success");
  }
});

function isQuiet(config) {
  return config?.verb === "get" && !config.triggeringEvent; // a poll: htmx gives it no event, and the next poll shows the state
}

document.addEventListener("gh:toast", (event) => toast(event.detail.text, event.detail.level, event.detail.advice));

// A run card replaces itself every two seconds. A screen reader says only its end, not each percent.
document.addEventListener("htmx:oobAfterSwap", noteRuns);
document.addEventListener("htmx:afterSwap", noteRuns);
const seen = new Map();
function noteRuns() {
  for (const card of document.querySelectorAll("[data-run-status]")) {
    const before = seen.get(card.id);
    const now = card.dataset.runStatus;
    seen.set(card.id, now);
    if (before === undefined || before === now) continue;
    announce(`${card.dataset.runTitle}: ${card.dataset.runEnded}`);
    const ended = ["succeeded", "failed", "cancelled"].includes(now);
    if (!ended || !card.hasAttribute("data-run-reload")) continue;
    if (inWork()) toast(`${card.dataset.runTitle}: ${card.dataset.runEnded}.`, "info", STAYS);
    else window.location.reload();
  }
}

const STAYS = "This page stays as it is while you write. Send your text, or reload the page, to see the result.";

noteRuns();
