// A popover placed under the button that opens it; arrow keys move through its entries. Without script the popover
// still opens, in the corner that the CSS sets.
class GhMenu extends HTMLElement {
  connectedCallback() {
    const menu = this.querySelector("[popover]");
    if (!menu) return;
    menu.addEventListener("toggle", (event) => {
      if (event.newState !== "open") return;
      this.place(menu);
      menu.querySelector("a, button")?.focus({ preventScroll: true });
    });
    menu.addEventListener("htmx:afterSwap", () => {
      this.place(menu);
      menu.querySelector("a, button")?.focus({ preventScroll: true });
    });
    menu.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const entries = [...menu.querySelectorAll("a, button")];
      const at = entries.indexOf(document.activeElement);
      entries[(at + step + entries.length) % entries.length]?.focus();
    });
  }

  place(menu) {
    const opener = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
    if (!opener) return;
    const box = opener.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(box.left, room - menu.offsetWidth - 8));
    menu.style.left = `${left + window.scrollX}px`;
    menu.style.right = "auto";
    menu.style.top = `${box.bottom + window.scrollY + 6}px`;
  }
}
customElements.define("gh-menu", GhMenu);
