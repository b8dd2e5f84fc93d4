// Shared by the elements: requests to the server, and messages to the person.

/** The CSRF token, from the header that htmx sends too. */
export function csrf() {
  return JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRFToken"] || "";
}

// Storage that the browser may forbid (the getter itself throws then) or that may be full. Nothing here throws:
// reading gives null and writing returns whether it worked. No other script may use the browser's storage directly.
function shelf(open) {
  const attempt = (act, otherwise) => { try { return act(open()); } catch { return otherwise; } };
  return {
    get: (key) => attempt((store) => store.getItem(key), null),
    set: (key, value) => attempt((store) => { store.setItem(key, value); return true; }, false),
    remove: (key) => attempt((store) => { store.removeItem(key); }, undefined),
    keys: () => attempt((store) => Object.keys(store), []),
  };
}
/** Is kept after the tab is closed. */
export const local = shelf(() => window.localStorage);
/** Is kept after a reload of this tab. */
export const ofTab = shelf(() => window.sessionStorage);

/** Whether the single-letter keys are switched off in this browser (speech input would trigger them). */
const LETTERS_OFF = "gh-single-keys-off";
export const lettersOff = () => local.get(LETTERS_OFF) === "1";
export function setLettersOff(off) {
  if (off) local.set(LETTERS_OFF, "1");
  else local.remove(LETTERS_OFF);
}

export const SIGNED_OUT = {
  code: "signed_out",
  detail: "You were signed out.",
  advice: "Sign in in a new tab, then save again.",
};

let asking;
/**
 * Who is signed in in this browser now, compared with the person of this page: {is: "same", "out", "other" or "away",
 * detail, advice}. For the same person the page's CSRF token is renewed: signing in again makes the old one invalid.
 */
export function person() {
  asking ??= askWho().finally(() => { asking = undefined; });
  return asking;
}

async function askWho() {
  let reply;
  try {
    const answer = await fetch(document.body.dataset.session, {
      credentials: "same-origin", cache: "no-store", redirect: "manual", headers: { Accept: "application/json" },
    });
    if (!answer.ok) return { is: "away" };
    reply = await answer.json();
  } catch {
    return { is: "away" };
  }
  if (!reply.user) return { is: "out", ...SIGNED_OUT };
  if (reply.user !== document.body.dataset.user) {
    return {
      is: "other",
      code: "other_person",
      detail: `${reply.name} is signed in in this browser now. Nothing was saved in their account.`,
      advice: "Sign in as yourself in a new tab, then save again.",
    };
  }
  document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": reply.csrf }));
  document.querySelectorAll("input[name=csrfmiddlewaretoken]").forEach((field) => { field.value = reply.csrf; });
  return { is: "same" };
}

/** The headers of every request that a page's script sends: the CSRF token, and the person that the page was made for. */
export function pageHeaders() {
  return { "X-CSRFToken": csrf(), ...(document.body.dataset.user ? { "X-Page-User": document.body.dataset.user } : {}) };
}

/**
 * fetch for this site's own addresses: same origin, CSRF header, JSON preferred in answers. A session that ended, or that
 * belongs to another person now, is a 401 with {code, detail, advice}; after signing in again as the same person it works.
 */
export async function send(url, options = {}) {
  const answer = await once(url, options);
  if (![401, 403].includes(answer.status) && !(await saysOther(answer))) return answer;
  const who = await person();
  if (who.is === "same") return once(url, options);
  if (who.is === "away") return answer;
  return new Response(JSON.stringify(who), { status: 401, headers: { "Content-Type": "application/json" } });
}

async function once(url, { method = "POST", body, keepalive = false, signal, headers = {}, accept = "application/json" }) {
  const answer = await fetch(url, {
    method, body, keepalive, signal, credentials: "same-origin", redirect: "manual", cache: "no-store",
    headers: { ...headers, ...pageHeaders(), Accept: accept },
  });
  // The addresses that scripts post to do not redirect; a redirect means the sign-in page. Followed, it would end
  // in 200 and look like success.
  if (answer.type !== "opaqueredirect") return answer;
  return new Response(JSON.stringify(SIGNED_OUT), { status: 401, headers: { "Content-Type": "application/json" } });
}

async function saysOther(answer) {
  if (answer.status !== 409) return false;
  const reply = await answer.clone().json().catch(() => ({}));
  return reply.code === "other_person";
}

/** Whether htmx got the sign-in page instead of the requested page. */
export function isSignIn(xhr) {
  return Boolean(xhr.responseURL) && new URL(xhr.responseURL).pathname === document.body.dataset.signIn;
}

/** Why nothing could be sent, as a sentence. */
export function away() {
  return navigator.onLine ? "The server cannot be reached." : "You are offline.";
}

/** Shows a message beside the work. level: success, info, warning or error; text is never read as HTML. */
export function toast(text, level = "info", advice = "") {
  const holder = document.createElement("gh-toast");
  const box = document.createElement("div");
  box.className = `message ${level}`;
  if (level === "error") box.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.textContent = text;
  if (advice) {
    const more = document.createElement("span");
    more.className = "advice";
    more.textContent = ` ${advice}`;
    words.append(more);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "close";
  close.setAttribute("aria-label", "Close this message");
  close.textContent = "✕";
  box.append(words, close);
  holder.append(box);
  document.getElementById("toasts").append(holder);
  return holder;
}

/** Says a text to a screen reader without showing it. */
export function announce(text) {
  const place = document.getElementById("announce");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

/** "10:31" in the reader's zone. */
export function clock(date) {
  return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
