// Shows one of several parts, that of the slider's present value: <gh-slider> with a hidden <input type="range"> from 0 and children with
// data-part and data-name, which the slider's value is read out as. Without scripts all are shown, one under the other.
class GhSlider extends HTMLElement {
  connectedCallback() {
    this.range = this.querySelector('input[type="range"]');
    this.parts = [...this.querySelectorAll("[data-part]")];
    this.range.hidden = false;
    this.range.addEventListener("input", () => this.show());
    // The browser restores the value later when it loads the page from its memory.
    window.addEventListener("pageshow", () => this.show());
    this.show();
  }

  show() {
    const at = Number(this.range.value);
    this.parts.forEach((part, number) => { part.hidden = number !== at; });
    this.range.setAttribute("aria-valuetext", this.parts[at]?.dataset.name ?? "");
  }
}
customElements.define("gh-slider", GhSlider);
