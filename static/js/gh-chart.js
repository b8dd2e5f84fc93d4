// Points of a chart react to the pointer and, when the chart has the focus, to the arrow keys: each shows its text in a
// small box and says it to a screen reader. Without script every point keeps its <title>.
import { announce } from "./lib.js";

class GhChart extends HTMLElement {
  connectedCallback() {
    this.tip = document.createElement("div");
    this.tip.className = "chart-tip";
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true");
    this.append(this.tip);
    for (const point of this.querySelectorAll("[data-tip]")) point.querySelector("title")?.remove(); // one tooltip, not two
    this.at = -1;
    this.addEventListener("pointermove", (event) => this.near(event));
    this.addEventListener("pointerleave", () => this.hide());
    this.addEventListener("focusout", () => this.hide());
    this.addEventListener("keydown", (event) => this.walk(event));
    if (this.points().length) this.tabIndex = 0;
  }

  // Only one of the two drawings is visible at a time.
  points() {
    return [...this.querySelectorAll("svg [data-tip]")].filter((point) => point.getClientRects().length);
  }

  near(event) {
    let best = null;
    let least = 28 ** 2; // px: the largest distance of the pointer
    for (const point of this.points()) {
      const box = point.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      const distance = inside ? 0 : (box.left + box.width / 2 - event.clientX) ** 2 + (box.top + box.height / 2 - event.clientY) ** 2;
      if (distance < least) { least = distance; best = point; }
    }
    if (best) this.show(best);
    else this.hide();
  }

  walk(event) {
    const points = this.points();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") { this.hide(); return; }
    if (event.key === "Home") this.at = 0;
    else if (event.key === "End") this.at = points.length - 1;
    else if (step) this.at = Math.max(0, Math.min(points.length - 1, this.at + step));
    else return;
    event.preventDefault();
    this.show(points[this.at]);
    announce(points[this.at].dataset.tip);
  }

  show(point) {
    this.hide();
    point.classList.add("at");
    this.tip.textContent = point.dataset.tip;
    this.tip.hidden = false;
    const box = point.getBoundingClientRect();
    const own = this.getBoundingClientRect();
    const left = box.left + box.width / 2 - own.left - this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(0, Math.min(left, own.width - this.tip.offsetWidth))}px`;
    const above = box.top - own.top - this.tip.offsetHeight - 6;
    this.tip.style.top = `${above < 0 ? box.bottom - own.top + 6 : above}px`;
  }

  hide() {
    this.tip.hidden = true;
    for (const point of this.querySelectorAll(".at")) point.classList.remove("at");
  }
}
customElements.define("gh-chart", GhChart);
