// A message that closes itself, unless it tells of an error or somebody is reading it.
const STAYS_MS = 6000;

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
    this.timer = setTimeout(() => this.remove(), STAYS_MS);
  }
}
customElements.define("gh-toast", GhToast);
