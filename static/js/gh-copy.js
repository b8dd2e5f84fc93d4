// Copies another element's text (or value) and shows that it did. Clipboards need a secure page; without one the text is
// selected instead, ready for Ctrl+C.
class GhCopy extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    button?.addEventListener("click", async () => {
      const from = document.getElementById(this.dataset.from);
      const words = button.textContent;
      try {
        await navigator.clipboard.writeText(from.value ?? from.textContent.trim());
        button.textContent = "Copied";
      } catch {
        window.getSelection().selectAllChildren(from);
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = words; }, 2500);
    });
  }
}
customElements.define("gh-copy", GhCopy);
