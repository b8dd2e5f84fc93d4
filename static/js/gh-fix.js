// Makes the replacements of a finding in the editor's fields.
import { announce } from "./lib.js";

const FIELDS = { messages: "message", context: "record" };

/** The fields of an editor as the checks count them: empty turns and records are left out. */
function areaOf(pair, { field, index }) {
  if (field === "completion") return pair.querySelector("[name=completion]");
  return [...pair.querySelectorAll(`textarea[name=${FIELDS[field]}]`)].filter((area) => area.value.trim())[index];
}

/** Where `words` are in the text, as near to `start` as possible; -1 when they are not there. */
export function placeOf(text, words, start) {
  let best = -1;
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    if (best < 0 || Math.abs(at - start) < Math.abs(best - start)) best = at;
  }
  return best;
}

/** Replaces as a person who types would, so that the browser can undo it. A field that is not shown cannot be typed into. */
function replace(area, from, to, text) {
  area.focus();
  if (document.activeElement === area) {
    area.setSelectionRange(from, to);
    if (document.execCommand(text ? "insertText" : "delete", false, text)) return;
  }
  area.setRangeText(text, from, to, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** All steps, or none when the text has changed since it was checked. The last place comes first, so that the others stay. */
export function applyFixes(pair, steps, button) {
  const places = steps.map((step) => {
    const area = areaOf(pair, step);
    const at = area ? placeOf(area.value, step.before + step.was, step.start - step.before.length) : -1;
    return { area, from: at + step.before.length, to: at + step.before.length + step.was.length, text: step.text, found: at >= 0 };
  });
  if (places.some((place) => !place.found)) {
    announce("The text has changed. Wait for the next check.");
    return;
  }
  places.sort((a, b) => b.from - a.from);
  for (const { area, from, to, text } of places) replace(area, from, to, text);
  button.disabled = true;
  announce(places.length === 1 ? "Replaced. Undo with Control and Z." : `Replaced in ${places.length} places.`);
}
