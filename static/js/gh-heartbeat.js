// Keeps a lease while somebody works: posts while the page is visible and used. A page left alone for ten minutes
// stops, so that the item goes to a colleague instead of being held by a forgotten tab.
import { send } from "./lib.js";

const IDLE_MS = 10 * 60_000;

class GhHeartbeat extends HTMLElement {
  connectedCallback() {
    this.used = Date.now();
    this.onUse = () => { this.used = Date.now(); };
    for (const kind of ["keydown", "pointerdown", "scroll"]) window.addEventListener(kind, this.onUse, { passive: true });
    this.timer = setInterval(() => this.beat(), Number(this.dataset.every || 60) * 1000);
  }
  disconnectedCallback() {
    clearInterval(this.timer);
    for (const kind of ["keydown", "pointerdown", "scroll"]) window.removeEventListener(kind, this.onUse);
  }
  async beat() {
    if (document.hidden || Date.now() - this.used > IDLE_MS) return;
    const answer = await send(this.dataset.url).catch(() => null); // away: the next beat tries again
    if (!answer) return;
    const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
    if (answer.ok && told.until) {
      document.querySelectorAll("gh-countdown[data-lease]").forEach((count) => { count.dataset.until = told.until; });
      this.querySelectorAll("gh-countdown").forEach((count) => { count.dataset.until = told.until; });
    }
    // Signed out, or somebody else's now: the form that saves (gh-autosave) asks which, and says it.
    if ([401, 403, 404, 409, 410].includes(answer.status)) document.dispatchEvent(new CustomEvent("gh-ask"));
  }
}
customElements.define("gh-heartbeat", GhHeartbeat);
