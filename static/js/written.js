// What a person wrote on a page and did not send yet must not be lost: not by a reload when a job ends, and not by a form that
// the browser sends after the session has ended. Fields in gh-autosave are saved while they are written.
import { away, person, toast } from "./lib.js";

/** Whether something is written or chosen that a reload would lose. Filters are in the address and are not lost. */
export function inWork() {
  if (document.querySelector("dialog[open]")) return true;
  const fields = document.querySelectorAll("main :is(input:not([type=hidden]), textarea, select)");
  return [...fields].some((field) => !field.closest("[role=search]") && changed(field));
}

function changed(field) {
  if (field.matches("select")) {
    return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
  }
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

// The sign-in page would take the place of a form with text in it, and the text would be gone. So such a form asks first who is
// signed in, and goes out when that is still the person of this page.
const asked = new WeakSet();
const asking = new WeakSet();
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (asked.delete(form) || event.defaultPrevented || !holdsText(form)) return;
  event.preventDefault();
  if (asking.has(form)) return;
  asking.add(form);
  const { submitter } = event;
  const who = await person().finally(() => asking.delete(form));
  if (who.is === "same") sendAgain(form, submitter);
  else if (who.is === "away") toast(away(), "error", "What you typed is still here. Try again when you are online.");
  else toast(who.detail, "error", who.advice);
});

function holdsText(form) {
  // By its attribute: a field of the form can have the name "method".
  if (form.getAttribute("method")?.toLowerCase() !== "post" || !document.body.dataset.user || form.closest("gh-autosave")) return false;
  return [...form.elements].some((field) => field.matches("input:not([type=hidden], [type=checkbox], [type=radio]), textarea") && changed(field));
}

function sendAgain(form, submitter) {
  const holder = form.closest("gh-confirm");
  if (holder) holder.agreed = true;
  asked.add(form);
  form.requestSubmit(submitter?.isConnected ? submitter : undefined);
  asked.delete(form); // a field that is no longer valid: nothing was sent
}
