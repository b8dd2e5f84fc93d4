// What the elements share: asking the server, and telling the person.

/** The CSRF token, from the header that htmx sends too: one place for both. */
export function csrf() {
  return JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRFToken"] || "";
}

/** fetch for this site's own addresses: same origin, CSRF header, JSON preferred in answers. */
export async function send(url, { method = "POST", body, keepalive = false, signal, headers = {} } = {}) {
  const answer = await fetch(url, {
    method, body, keepalive, signal, credentials: "same-origin", redirect: "manual",
    headers: { ...headers, "X-CSRFToken": csrf(), Accept: "application/json" },
  });
  // The addresses that scripts post to answer themselves; a redirect means the sign-in page. Followed, it would end
  // in 200 and pass for success.
  if (answer.type !== "opaqueredirect") return answer;
  return new Response(JSON.stringify(SIGNED_OUT), { status: 401, headers: { "Content-Type": "application/json" } });
}

export const SIGNED_OUT = {
  detail: "You are signed out.",
  advice: "Sign in again in another tab, then reload this page. Unsaved text is kept in this browser and offered to you.",
};

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
}

/** Says something to a screen reader without showing it. */
export function announce(text) {
  const place = document.getElementById("announce");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

/** "10:31" in the reader's zone. */
export function clock(date) {
  return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
