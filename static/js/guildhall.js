// Loads the house's elements and listens to htmx for the whole page. A page's own elements are modules of their
// own, linked in its block "scripts". No bundler: what is here is what runs.
import { SIGNED_OUT, announce, toast } from "./lib.js";
import "./gh-autosave.js";
import "./gh-chart.js";
import "./gh-confirm.js";
import "./gh-copy.js";
import "./gh-guide.js";
import "./gh-heartbeat.js";
import "./gh-keys.js";
import "./gh-menu.js";
import "./gh-theme.js";
import "./gh-time.js";
import "./gh-toast.js";
import "./gh-words.js";

// The server may send an expected error as a message of its own and say where it goes (HX-Retarget). htmx would
// not swap a 4xx or 5xx, so it is allowed here, for these answers only.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Retarget")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

// A session that ended answers a swap with the sign-in page. It has no place inside a card: say it once, change nothing.
let signedOut = false;
document.addEventListener("htmx:beforeSwap", (event) => {
  const url = event.detail.xhr.responseURL;
  if (!url || new URL(url).pathname !== document.body.dataset.signIn) return;
  event.detail.shouldSwap = false;
  if (!signedOut) toast(SIGNED_OUT.detail, "error", SIGNED_OUT.advice);
  signedOut = true;
});

// Any other error: say what the error page would have said, and leave the page, and what was typed, as it is.
document.addEventListener("htmx:responseError", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (isQuiet(requestConfig)) return;
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const message = page.querySelector("[data-error-message]")?.textContent.trim();
  const advice = page.querySelector("[data-error-advice]")?.textContent.trim();
  toast(message || `The server answered ${xhr.status}.`, "error", advice || "Your page is as it was; try again.");
});

let offline = false;
document.addEventListener("htmx:sendError", (event) => {
  // A page that polls must not pile up messages while the server is away: one, and one when it is back.
  if (!offline) toast("The server does not answer.", "error", "What you typed is still here. This page tries again by itself.");
  offline = true;
  event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (offline && event.detail.xhr?.status > 0) {
    offline = false;
    document.querySelectorAll("#toasts gh-toast").forEach((old) => old.remove());
    toast("The server answers again.", "success");
  }
});

function isQuiet(config) {
  return config?.verb === "get" && !config.triggeringEvent; // a poll: htmx gives it no event, and the next one will tell
}

document.addEventListener("gh:toast", (event) => toast(event.detail.text, event.detail.level, event.detail.advice));

// A run card swaps itself every two seconds. Nobody wants to hear each percent, but everybody the end.
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
    if (ended && card.hasAttribute("data-run-reload")) window.location.reload();
  }
}
noteRuns();
