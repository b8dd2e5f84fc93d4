// A message that closes after some seconds, unless it is an error or somebody reads it.
const STAYS_S = 6; // a message with a button sets its own seconds in data-seconds

class GhToast extends HTMLElement {
  connectedCallback() {
    this.querySelector(".close")?.addEventListener("click", () => this.remove());
    if (this.querySelector(".message.error")) return;
    this.wait();
    this.addEventListener("pointerenter", () => clearTimeout(this.timer), true);
    this.addEventListener("pointerleave", () => this.wait(), true);
    this.addEventListener("focusin", () => clearTimeout(this.timer));
    this.addEventListener("focusout", () => this.wait());
  }
  disconnectedCallback() { clearTimeout(this.timer); }
  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.remove(), 1000 * Number(this.dataset.seconds || STAYS_S));
  }
}
customElements.define("gh-toast", GhToast);
