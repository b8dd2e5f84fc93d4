// Times in the reader's time zone. The server sends UTC, which stays readable without script; one timer serves
// every time on the page.
import { clock } from "./lib.js";

const DAY = 86_400_000;
const all = new Set();
const soon = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function day(date) { return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime(); }

function date(moment, now) {
  const options = { day: "numeric", month: "short" };
  if (moment.getFullYear() !== now.getFullYear()) options.year = "numeric";
  return moment.toLocaleDateString("en-GB", options);
}

function short(moment, now) {
  const days = Math.round((day(now) - day(moment)) / DAY);
  if (days === 0) return clock(moment);
  if (days > 0 && days < 7) return moment.toLocaleDateString("en-GB", { weekday: "short" });
  return date(moment, now);
}

function relative(moment, now) {
  const seconds = Math.round((moment - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 45) return seconds > 0 ? "in a moment" : "just now";
  if (size < 3600) return soon.format(Math.round(seconds / 60), "minute").replace(" minutes", " min").replace(" minute", " min");
  if (size < 6 * 3600) return soon.format(Math.round(seconds / 3600), "hour");
  const days = Math.round((day(moment) - day(now)) / DAY);
  if (days === 0) return clock(moment);
  if (days === -1) return `yesterday ${clock(moment)}`;
  return days > -7 && days < 0 ? `${short(moment, now)} ${clock(moment)}` : date(moment, now);
}

const shapes = {
  relative, short,
  time: (moment, now) => (day(moment) === day(now) ? clock(moment) : `${date(moment, now)}, ${clock(moment)}`),
  date,
  datetime: (moment, now) => `${date(moment, now)}, ${clock(moment)}`,
};

class GhTime extends HTMLElement {
  connectedCallback() { all.add(this); this.show(); }
  disconnectedCallback() { all.delete(this); }
  show() {
    const time = this.querySelector("time");
    const moment = new Date(time?.dateTime ?? NaN);
    if (Number.isNaN(moment.getTime())) return;
    const words = (shapes[this.dataset.shape] ?? relative)(moment, new Date());
    if (time.textContent !== words) time.textContent = words;
    time.title = moment.toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });
  }
}
customElements.define("gh-time", GhTime);

// A lease: its end, in another colour when it is nearly over, and an event when it is over.
class GhCountdown extends HTMLElement {
  static observedAttributes = ["data-until"];
  connectedCallback() { all.add(this); this.show(); }
  disconnectedCallback() { all.delete(this); }
  attributeChangedCallback() { if (this.isConnected) this.show(); }
  show() {
    const until = new Date(this.dataset.until);
    const left = until - Date.now();
    this.toggleAttribute("data-near", left > 0 && left <= 120_000);
    const over = left <= 0;
    if (over && !this.hasAttribute("data-over")) {
      this.dispatchEvent(new CustomEvent("gh-expired", { bubbles: true }));
    }
    this.toggleAttribute("data-over", over);
    this.textContent = over ? this.dataset.after : `${this.dataset.before} ${clock(until)}`;
  }
}
customElements.define("gh-countdown", GhCountdown);

setInterval(() => all.forEach((element) => element.show()), 10_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) all.forEach((element) => element.show());
});
