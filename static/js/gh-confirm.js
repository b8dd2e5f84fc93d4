// Asks before a form is sent. The submit is stopped in the capture phase, before htmx or the browser sees it,
// and repeated when the person confirms. A native dialog keeps the focus, closes on Escape and gives the focus back.
class GhConfirm extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", (event) => this.ask(event), true);
  }

  ask(event) {
    if (this.agreed) { this.agreed = false; return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    const form = event.target;
    const submitter = event.submitter;
    const dialog = document.createElement("dialog");
    const title = document.createElement("h2");
    title.textContent = this.dataset.title;
    title.id = `confirm-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
    dialog.setAttribute("aria-labelledby", title.id);
    const text = document.createElement("p");
    text.textContent = this.dataset.text || "";
    text.hidden = !this.dataset.text;
    const end = document.createElement("div");
    end.className = "form-end";
    const no = document.createElement("button");
    no.type = "button";
    no.className = "quiet";
    no.textContent = "Cancel";
    const yes = document.createElement("button");
    yes.type = "button";
    yes.className = this.hasAttribute("data-danger") ? "danger go" : "go";
    yes.textContent = this.dataset.action;
    end.append(no, yes);
    dialog.append(title, text, end);
    document.body.append(dialog);
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => {
      dialog.close();
      // A card that polls may have been replaced in the meantime; then the form in the page is a newer one.
      const live = form.isConnected ? form : document.querySelector(`form[action="${CSS.escape(form.getAttribute("action"))}"]`);
      if (!live) return;
      const holder = live.closest("gh-confirm");
      if (holder) holder.agreed = true;
      live.requestSubmit(submitter?.isConnected ? submitter : undefined);
    });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    // Enter confirms what can be undone. For what cannot be undone the focus starts on "Cancel".
    (this.hasAttribute("data-danger") ? no : yes).focus();
  }
}
customElements.define("gh-confirm", GhConfirm);
