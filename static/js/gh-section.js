// A part of a form that can be closed. Its changes stay visible: when closed, its heading shows the number of
// changed values. When the browser finds a wrong value inside at a submit, it opens, so that the message can be seen.
class GhSection extends HTMLElement {
  connectedCallback() {
    this.details = this.querySelector("details");
    if (!this.details) return;
    this.note = document.createElement("span");
    this.note.className = "soft changed";
    this.details.querySelector("summary").append(this.note);
    this.addEventListener("input", () => this.say());
    this.addEventListener("change", () => this.say());
    this.details.addEventListener("toggle", () => this.say());
    // `invalid` does not bubble. A browser cannot show its message at a control that is not on the page.
    this.addEventListener("invalid", () => { this.details.open = true; }, true);
    this.say();
  }

  say() {
    const changed = [...this.querySelectorAll("input, select, textarea")].filter(isChanged).length;
    this.note.textContent = changed && !this.details.open ? ` ${changed} changed` : "";
  }
}

/** Whether a control has another value than the page gave it, or than its default where the page has one. */
function isChanged(control) {
  if (control.type === "hidden") return false;
  const standard = control.dataset.default;
  if (standard !== undefined) {
    if (control.type === "checkbox") return control.checked !== (standard === "on");
    if (control.type === "number") return control.value === "" || Number(control.value) !== Number(standard);
    return control.value !== standard;
  }
  if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
  if (control.tagName === "SELECT") {
    const options = [...control.options];
    const initial = options.find((option) => option.defaultSelected) ?? options[0];
    return Boolean(initial) && !initial.selected;
  }
  return control.value !== control.defaultValue;
}
customElements.define("gh-section", GhSection);
