// Shows one of several groups of fields, the one of the chosen radio button: <gh-choice data-name="kind"> with
// children that carry data-for="<value>". The others keep what was typed. Without scripts all are shown.
class GhChoice extends HTMLElement {
  connectedCallback() {
    this.addEventListener("change", () => this.show());
    // The browser restores the choice later when it loads the page from its memory.
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
