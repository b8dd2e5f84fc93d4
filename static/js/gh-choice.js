// Shows, of several groups of fields, the one that belongs to the chosen radio button: <gh-choice data-name="kind"> with
// children that carry data-for="<value>". What was typed in the others stays in them. Without scripts all are shown.
class GhChoice extends HTMLElement {
  connectedCallback() {
    this.addEventListener("change", () => this.show());
    // A page that comes back from the browser's memory has its choice restored after this.
    window.addEventListener("pageshow", () => this.show());
    this.show();
  }

  show() {
    const chosen = this.querySelector(`input[name="${CSS.escape(this.dataset.name)}"]:checked`)?.value;
    for (const part of this.querySelectorAll("[data-for]")) {
      part.hidden = chosen !== undefined && part.dataset.for !== chosen;
    }
  }
}
customElements.define("gh-choice", GhChoice);
