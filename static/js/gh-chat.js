// A chat that streams. The form's own POST is sent with fetch and answered by an event stream: start, text...,
// then done or failed with the turn as the server renders it. Text is appended as text, never as HTML; only the
// server's own, sanitised HTML of the finished turn is. Without this script the form posts and the page is loaded again
// with the finished answer.
import { announce, away, send, toast } from "./lib.js";

const NEAR_PX = 120; // so near the end the person follows the answer

class GhChat extends HTMLElement {
  connectedCallback() {
    this.log = this.querySelector(".chat-log");
    this.form = this.querySelector(".chat-form");
    this.field = this.form.querySelector("textarea");
    this.sendButton = this.form.querySelector(".send");
    this.stopButton = this.form.querySelector(".stop");
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.ask(); });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.ask();
    });
    this.log.addEventListener("submit", (event) => {
      if (!event.target.matches(".again")) return;
      event.preventDefault();
      this.askAgain(event.target);
    });
    // The form that corrects an answer opens below the summary, where the chat form may cover it.
    this.log.addEventListener("click", (event) => {
      const details = event.target.closest("details.correct > summary")?.parentElement;
      if (details && !details.open) details.addEventListener("toggle", () => this.write(details), { once: true });
    });
    this.stopButton.addEventListener("click", () => this.stop());
    document.addEventListener("keydown", this.onKey = (event) => { if (event.key === "Escape" && this.running) this.stop(); });
    this.keeper = this.form.closest("gh-autosave"); // a copy of the question, until the server has it
    this.toEnd(true);
    if (this.hasAttribute("data-first") && this.field.value.trim()) this.ask();
    else if (matchMedia("(hover: hover)").matches) this.field.focus({ preventScroll: true });
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.onKey);
    this.running?.abort();
  }

  write(details) {
    const field = details.querySelector("textarea");
    // A person in the field may have started to write: the caret stays where it is.
    if (!field || !details.open || document.activeElement === field) return;
    field.setSelectionRange(field.value.length, field.value.length);
    field.focus(); // and scrolls to it, so that the chat form does not cover it
  }

  ask() {
    const text = this.field.value;
    if (!text.trim()) return;
    if (this.running) { // sent before the answer was complete: it is sent next
      this.next = true;
      this.say("Your question is sent when this answer is complete.");
      return;
    }
    this.log.querySelector(".nothing")?.remove();
    const turn = this.querySelector("template").content.firstElementChild.cloneNode(true);
    turn.querySelector(".asked").textContent = text;
    this.log.append(turn);
    this.keeper?.hold?.();
    this.field.value = "";
    this.stream(this.form.action, new URLSearchParams({ text }), turn, () => {
      turn.remove();
      this.next = false;
      // Nothing was stored: the text goes back into the field, before what was typed after it.
      this.field.value = [text, this.field.value].filter((part) => part.trim()).join("\n\n");
      this.keeper?.settled?.();
    });
  }

  askAgain(form) {
    if (this.running) return;
    const turn = form.closest(".chat-turn");
    const before = turn.cloneNode(true);
    const fresh = this.querySelector("template").content.firstElementChild.cloneNode(true);
    fresh.querySelector(".turn.user").replaceWith(turn.querySelector(".turn.user").cloneNode(true));
    turn.replaceWith(fresh);
    this.stream(form.action, new URLSearchParams(), fresh, () => { this.draw(fresh, before); });
  }

  async stream(url, body, turn, undo) {
    this.running = new AbortController();
    this.busy(true);
    this.say("");
    const place = turn.querySelector(".turn.bot .text");
    this.toEnd(true);
    let ended = false;
    try {
      const answer = await send(url, {
        body, signal: this.running.signal, accept: "application/json, text/event-stream",
      });
      if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        const reply = await answer.json().catch(() => ({}));
        undo();
        this.say(`${reply.detail ?? "The server refused the question."} ${reply.advice ?? ""}`.trim());
        return;
      }
      for await (const [kind, data] of events(answer.body)) {
        if (kind === "start") { turn.dataset.answer = data.answer; this.keeper?.settled?.(); }
        else if (kind === "text") { place.append(data.text); this.toEnd(); }
        else if (kind === "done" || kind === "failed") {
          ended = true;
          this.drawHtml(turn, data.html);
          if (kind === "failed") this.say(`${data.message} ${data.advice}`.trim());
          announce(kind === "done" ? "The answer is complete." : "The answer stopped early.");
        }
      }
      if (!ended) await this.settle(turn);
    } catch (error) {
      if (error.name === "AbortError") await this.settle(turn);
      else if (turn.dataset.answer) { this.say("The connection was lost. The text that arrived is saved."); await this.settle(turn); }
      else { undo(); this.say(`${away()} Your question is still here. Send it again.`); }
    } finally {
      this.running = null;
      this.busy(false);
      this.toEnd();
      if (this.next) { this.next = false; this.ask(); }
    }
  }

  stop() {
    if (this.next) this.say("");
    this.next = false;
    this.running?.abort();
  }

  // After a stop the server ends the answer; ask for the turn until it has.
  async settle(turn) {
    turn.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
    if (!turn.dataset.answer) { window.location.reload(); return; }
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const answer = await fetch(`${this.dataset.turnUrl}answers/${turn.dataset.answer}/`, { credentials: "same-origin" }).catch(() => null);
      if (answer?.status === 200) { this.drawHtml(turn, await answer.text()); announce("Stopped."); return; }
      await new Promise((resolve) => { setTimeout(resolve, 150 + 100 * attempt); });
    }
    toast("The answer has not stopped yet.", "warning", "Reload the page in a moment.");
  }

  drawHtml(turn, html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    this.draw(turn, holder.content.firstElementChild);
  }

  draw(turn, fresh) {
    for (const form of this.log.querySelectorAll(".again")) if (!turn.contains(form)) form.remove(); // only the last question can be asked again
    turn.replaceWith(fresh);
    window.htmx?.process(fresh);
  }

  busy(on) {
    this.sendButton.hidden = on;
    this.stopButton.hidden = !on;
    // A person who pressed Send by keyboard continues by keyboard; the field is ready for the next question.
    if (!on && document.activeElement === document.body) this.field.focus({ preventScroll: true });
  }

  say(words) {
    const place = this.form.querySelector(".refusal");
    place.replaceChildren();
    if (!words) return;
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = words;
    place.append(line);
  }

  toEnd(always = false) {
    const page = document.scrollingElement;
    const far = page.scrollHeight - page.scrollTop - page.clientHeight;
    if (always ? this.log.childElementCount > 1 || this.running : far < NEAR_PX) page.scrollTop = page.scrollHeight;
  }
}
customElements.define("gh-chat", GhChat);

// Server-sent events of a response body as [kind, data].
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let kind = "message";
      let data = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) kind = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
      }
      if (data) yield [kind, JSON.parse(data)];
    }
  }
}
