// Counts the words of a text during typing.
class GhWords extends HTMLElement {
  connectedCallback() {
    this.field = document.getElementById(this.dataset.for);
    this.count = () => {
      const words = this.field.value.trim().split(/\s+/).filter(Boolean).length;
      this.textContent = `${words.toLocaleString("en")} ${words === 1 ? "word" : "words"}`;
    };
    if (!this.field) return;
    this.field.addEventListener("input", this.count);
    this.count();
  }
  disconnectedCallback() { this.field?.removeEventListener("input", this.count); }
}
customElements.define("gh-words", GhWords);
