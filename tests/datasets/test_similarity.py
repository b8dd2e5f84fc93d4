"""Near-duplicate prompts: what counts as the same, and that candidates by MinHash miss none of the real ones."""

import random
from itertools import combinations

import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.runner.comparing import PromptsElsewhere
from dataset.similarity import CROWDED, SIMILAR, Prompts, jaccard, shingles, words


def ask(*turns: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": turn} for n, turn in enumerate(turns)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is FD-40218?", "where is fd 0"),
        ("It costs EUR 1,240.50 or 12%", "it costs eur 0 or 0"),
        ("Call 555 123 4567 at 12:30", "call 0 at 0"),
        ("ＷＨＥＲＥ is my CAFÉ", "where is my café"),
        ("I'd like it, please!", "i d like it please"),
        ("कि की", "कि की"),
        ("几点到港?", "几 点 到 港"),
        ("٣ kg", "0 kg"),
        ("FD40218x", "fd0x"),
        ("…!", ""),
    ],
)
def test_words_without_case_punctuation_and_numbers(text: str, expected: str):
    assert words(text) == expected.split()


def test_shingles_are_pairs_of_words_over_all_turns_without_the_system_message():
    turns = ask("Hello there", "Yes?", "Go on")
    pairs = {"hello there", "there yes", "yes go", "go on"}
    assert shingles(turns) == pairs
    assert shingles([{"role": "system", "content": "You answer customers."}, *turns]) == pairs
    assert shingles(ask("Hello")) == {"hello"}
    assert shingles(ask("?!")) == {"?!"}
    assert shingles(ask("?!")) != shingles(ask("👍"))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Where is shipment FD-1?", "where is shipment FD-99,817", True),
        ("Hi, can I get a mocha please?", "Can I get a mocha please?", True),
        ("Can I get a mocha please?", "Can I get two lattes please?", False),
        ("Is my container in Hamburg?", "Is my container in Chennai?", False),
    ],
)
def test_what_is_nearly_the_same(one: str, other: str, alike: bool):
    assert (jaccard(shingles(ask(one)), shingles(ask(other))) >= SIMILAR) is alike


vocabulary = st.sampled_from(
    ["where", "is", "my", "shipment", "crate", "the", "of", "to", "from", "today", "please"]
)
sentences = st.lists(vocabulary, min_size=1, max_size=9).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(sentences, min_size=1, max_size=25), seed=st.integers(0, 3))
def test_every_pair_that_is_similar_is_found_in_any_order(texts: list[str], seed: int):
    shuffled = random.Random(seed).sample(texts, len(texts))
    partitions = []
    for order in (texts, shuffled):
        prompts = Prompts()
        numbers = {text: prompts.add(ask(text)) for text in order}
        clusters = prompts.clusters()
        near = prompts.nearest(set(numbers.values()), set(numbers.values()))
        for one, other in combinations(set(texts), 2):
            similarity = jaccard(shingles(ask(one)), shingles(ask(other)))
            stored = near[numbers[one]].get(numbers[other])
            assert stored == (similarity if similarity >= SIMILAR else None)
            if similarity >= SIMILAR:
                assert clusters[numbers[one]] == clusters[numbers[other]]
        partitions.append({frozenset(t for t in texts if clusters[numbers[t]] == c) for c in set(clusters)})
    assert partitions[0] == partitions[1]


def varied(count: int) -> list[list[dict[str, str]]]:
    """Prompts of 12 to 20 words of which many are others with a word put in, left out or changed."""
    draw = random.Random(1)
    names = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    texts = [[draw.choice(names) for _ in range(draw.randint(12, 20))] for _ in range(count // 3)]
    while len(texts) < count:
        text = list(draw.choice(texts))
        at = draw.randrange(len(text))
        text[at : at + draw.randint(0, 1)] = [draw.choice(names)] * draw.randint(0, 1)
        texts.append(text)
    return [ask(" ".join(text)) for text in texts]


def test_datasketch_finds_nothing_that_we_do_not():
    """A second implementation of MinHash and its buckets, with a threshold low enough to miss next to nothing."""
    messages = varied(900)
    prompts = Prompts()
    numbers = [prompts.add(one) for one in messages]
    clusters = prompts.clusters()
    near = prompts.nearest(set(numbers), set(numbers))
    index = MinHashLSH(threshold=0.5, num_perm=128)
    sketches = []
    for at, one in enumerate(messages):
        sketch = MinHash(num_perm=128, seed=3)
        sketch.update_batch([pair.encode() for pair in shingles(one)])
        index.insert(at, sketch)
        sketches.append(sketch)
    pairs = 0
    for at, sketch in enumerate(sketches):
        for other in index.query(sketch):
            similarity = jaccard(shingles(messages[at]), shingles(messages[other]))
            if other != at and similarity >= SIMILAR:
                pairs += 1
                assert near[numbers[at]][numbers[other]] == similarity
                assert clusters[numbers[at]] == clusters[numbers[other]]
    assert pairs > 500


def test_a_crowd_of_alike_prompts_takes_time_in_proportion():
    """One question with a name in it, asked by everybody: each of its texts is a near-duplicate of each other."""
    prompts = Prompts()
    draw = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    asked = "could you please tell me the status of the order that i placed last week for {} and send it thank you very much"
    numbers = {prompts.add(ask(asked.format("".join(draw.sample(letters, 6))))) for _ in range(20 * CROWDED)}
    assert set(prompts.clusters()) == {min(numbers)}


# --- in a process of its own -------------------------------------------------------------------------------
def test_another_process_finds_the_same():
    messages = [*varied(700), ask("Grüße, wo ist 集装箱 7?"), ask("?!"), *varied(30)]
    here, shares = Prompts(), []
    for one in messages:
        here.add(one)
    with PromptsElsewhere() as there:
        for one in messages:
            there.add(one)
        assert len(there) == len(messages)
        assert list(there.numbers()) == list(here.numbers())
        assert there.clusters(shares.append) == here.clusters()
        every = set(here.numbers())
        assert there.nearest(every, every) == here.nearest(every, every)
    assert shares == sorted(shares)
    assert len(shares) > 10


def test_a_process_that_was_killed_is_an_error_and_not_a_result():
    with PromptsElsewhere() as there:
        there.add(ask("Where is it?"))
        there._process.kill()
        with pytest.raises(RuntimeError, match="has ended"):
            there.clusters()


def test_nothing_is_left_running():
    with PromptsElsewhere() as there:
        there.add(ask("Where is it?"))
    assert there._process.returncode is not None
