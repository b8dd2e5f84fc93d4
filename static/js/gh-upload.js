// Sends the file of a form in pieces, so that a lost connection costs one piece and not the whole upload. Then the form goes
// out without the file, with the id of the upload. Without this script the browser sends the file itself.
import { announce, send } from "./lib.js";

const PIECE = 4 * 1024 * 1024;
const PATIENCE = [1000, 2000, 4000, 8000, 15000, 30000]; // milliseconds between attempts; the last one repeats

const megabytes = (bytes) => (bytes / 1048576).toLocaleString(undefined, { maximumFractionDigits: 1 });

class GhUpload extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.form.addEventListener("submit", (event) => this.start(event));
    // A page that comes back from the history must not send an upload that was used.
    this.form.elements.upload.value = "";
  }

  async start(event) {
    const file = this.form.elements.file.files[0];
    if (!file || this.form.elements.upload.value) return;
    event.preventDefault();
    if (this.busy) return;
    if (!file.size) { this.refuse("The file is empty. Choose another file."); return; }
    this.busy = true;
    const button = event.submitter;
    this.querySelector("[data-state]").hidden = false;
    for (const other of this.form.querySelectorAll("button")) other.disabled = true;
    try {
      this.form.elements.upload.value = await this.whole(file);
      this.form.elements.file.disabled = true;
      for (const other of this.form.querySelectorAll("button")) other.disabled = false;
      this.form.requestSubmit(button);
    } catch (error) {
      this.refuse(error.message);
      for (const other of this.form.querySelectorAll("button")) other.disabled = false;
    } finally {
      this.busy = false;
    }
  }

  /** Sends the whole file; gives the id of the upload. */
  async whole(file) {
    const known = { file_name: file.name, size_bytes: file.size, fingerprint: `${file.size}-${file.lastModified}` };
    let upload = await this.ask(this.dataset.url, {
      method: "POST", body: JSON.stringify(known), headers: { "Content-Type": "application/json" },
    });
    if (upload.received_bytes) announce(`The upload continues at ${megabytes(upload.received_bytes)} MB.`);
    while (!upload.is_complete) {
      this.show(upload);
      upload = await this.piece(file, upload);
    }
    this.show(upload);
    return upload.id;
  }

  /** Sends the next piece. After a lost connection it first asks how much has arrived. */
  async piece(file, upload) {
    const from = upload.received_bytes;
    const url = `${this.dataset.url}${upload.id}/`;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const answer = await send(url, {
          method: "PUT",
          body: file.slice(from, from + PIECE),
          headers: { "Content-Type": "application/octet-stream", "Upload-Offset": String(from) },
        });
        if (answer.ok) return await answer.json();
        if (answer.status === 409) return await this.ask(url, { method: "GET" });
        if (answer.status < 500 && answer.status !== 429) throw new Refused(await words(answer));
      } catch (error) {
        if (error instanceof Refused) throw error;
      }
      const pause = PATIENCE[Math.min(attempt, PATIENCE.length - 1)];
      this.say(`The connection is lost at ${megabytes(from)} MB. It tries again in ${Math.round(pause / 1000)} s.`);
      await new Promise((done) => { setTimeout(done, pause); });
      const now = await this.ask(url, { method: "GET" }).catch((error) => { if (error instanceof Refused) throw error; });
      if (now && now.received_bytes !== from) return now;
    }
  }

  async ask(url, options) {
    let answer;
    try {
      answer = await send(url, options);
    } catch {
      throw new Error("The server did not answer. What was sent is kept: choose the same file again.");
    }
    if (!answer.ok) throw new Refused(await words(answer));
    return answer.json();
  }

  show(upload) {
    const share = Math.floor((100 * upload.received_bytes) / upload.size_bytes);
    this.querySelector("progress").value = share;
    this.say(`${megabytes(upload.received_bytes)} of ${megabytes(upload.size_bytes)} MB sent (${share}%).`);
  }

  refuse(text) {
    this.querySelector("[data-state]").hidden = false;
    this.say(text);
    announce(text);
  }

  say(text) { this.querySelector("[data-words]").textContent = text; }
}

class Refused extends Error {}

async function words(answer) {
  const reply = await answer.json().catch(() => ({}));
  const fields = Object.values(reply.fields || {}).flat();
  return [reply.detail || "The server refused the file.", ...fields, reply.advice].filter(Boolean).join(" ");
}

customElements.define("gh-upload", GhUpload);
