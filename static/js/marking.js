// Finds words in a text, to mark them during typing: in one pass over the text, for any number of words.

const LETTER = /[\p{L}\p{N}]/u;
export const LONGEST = 200; // letters of a word that is marked; a value is shorter

/** The words of several tones, the most serious first, as a tree of their letters: [["3 May"], [], ["14 November", "7"]]. */
export function treeOf(tones) {
  const root = new Map();
  tones.forEach((words, tone) => {
    for (const word of words) {
      if (!word || word.length > LONGEST) continue;
      let node = root;
      for (let at = 0; at < word.length; at += 1) {
        if (!node.has(word[at])) node.set(word[at], new Map());
        node = node.get(word[at]);
      }
      node.tone ??= tone;
    }
  });
  return root;
}

/** Where whole words of the tree are in `text`, as {start, end, tone}, in order. Where two overlap, the more serious tone and
 *  the longer word win. `steps` is the number of steps taken. */
export function spansOf(text, root) {
  const found = [];
  let steps = 0;
  for (let start = 0; start < text.length; start += 1) {
    steps += 1;
    let node = root.get(text[start]);
    if (!node || (LETTER.test(text[start]) && LETTER.test(text[start - 1] ?? ""))) continue;
    for (let end = start + 1; node; end += 1) {
      steps += 1;
      if (node.tone !== undefined && !(LETTER.test(text[end - 1]) && LETTER.test(text[end] ?? ""))) {
        found.push({ start, end, tone: node.tone });
      }
      node = end < text.length ? node.get(text[end]) : undefined;
    }
  }
  found.sort((a, b) => a.tone - b.tone || (b.end - b.start) - (a.end - a.start) || a.start - b.start);
  const taken = new Uint8Array(text.length);
  const spans = found.filter(({ start, end }) => {
    for (let at = start; at < end; at += 1) {
      steps += 1;
      if (taken[at]) return false;
    }
    taken.fill(1, start, end);
    return true;
  });
  spans.sort((a, b) => a.start - b.start);
  return { spans, steps };
}
