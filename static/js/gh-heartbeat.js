// Renews a lease while a person works: posts while the page is visible and used. A page that is not used for ten minutes
// stops, so that the example goes to a colleague and a forgotten tab does not keep it.
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
    const answer = await send(this.dataset.url).catch(() => null); // offline: the next beat tries again
    if (!answer) return;
    const reply = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
    if (answer.ok && reply.until) {
      document.querySelectorAll("gh-countdown[data-lease]").forEach((count) => { count.dataset.until = reply.until; });
      this.querySelectorAll("gh-countdown").forEach((count) => { count.dataset.until = reply.until; });
    }
    // Signed out, or another person has it open now: the form that saves (gh-autosave) asks which and shows it.
    if ([401, 403, 404, 409, 410].includes(answer.status)) document.dispatchEvent(new CustomEvent("gh-ask"));
  }
}
customElements.define("gh-heartbeat", GhHeartbeat);
