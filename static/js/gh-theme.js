// Light, dark or as the system: applied immediately, stored by its form. Without script the form posts
// and the page is loaded in the new theme.
import { send, toast } from "./lib.js";

class GhTheme extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", async (event) => {
      const button = event.target.closest("button[name=theme]");
      if (!button) return;
      event.preventDefault();
      const root = document.documentElement;
      if (button.value === "system") root.removeAttribute("data-theme");
      else root.setAttribute("data-theme", button.value);
      document.querySelector("meta[name=color-scheme]").content = button.value === "system" ? "light dark" : button.value;
      document.querySelectorAll("gh-theme button").forEach((other) => {
        other.setAttribute("aria-pressed", String(other.value === button.value));
      });
      const body = new FormData();
      body.set("theme", button.value);
      try {
        const answer = await send(button.form.action, { body });
        if (!answer.ok) throw new Error(answer.statusText);
      } catch {
        toast("The theme was not saved.", "warning", "It is used on this page only.");
      }
    });
  }
}
customElements.define("gh-theme", GhTheme);
