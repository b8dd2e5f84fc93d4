"""How values are written for people."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import engines
from hypothesis import given
from hypothesis import strategies as st

from core.templatetags import guildhall as tags

NAN = float("nan")


def render(source: str, **context: object) -> str:
    return engines["django"].from_string(source).render(context)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1284, 0, "1,284"), (1.8449, 2, "1.84"), (0, 0, "0"), (-1234.5, 1, "-1,234.5"), (None, 0, "–"), (NAN, 0, "–"),
     ("", 0, "–"), ("12", 0, "12"), ("x", 0, "–"), (True, 0, "–"), (10**12, 0, "1,000,000,000,000")],
)  # fmt: skip
def test_number(value: object, decimals: int, text: str) -> None:
    assert tags.number(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"), [(112, "+112"), (-3, "−3"), (0, "0"), (None, "–"), (0.4, "0"), (-0.2, "0")]
)
def test_signed(value: object, text: str) -> None:
    assert tags.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.62, "62%"), (0, "0%"), (1, "100%"), (0.004, "<1%"), (0.997, ">99%"), (None, "–"), (NAN, "–")],
)
def test_percent_never_rounds_some_to_none_or_to_all(value: object, text: str) -> None:
    assert tags.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(timedelta(minutes=3), "3 min"), (0, "0 s"), (0.2, "under 1 s"), (40, "40 s"), (59.7, "1 min"), (3600, "1 h"),
     (4800, "1 h 20 min"), (86400 * 3, "3 days"), (-5, "0 s"), (None, "–")],
)  # fmt: skip
def test_duration(value: object, text: str) -> None:
    assert tags.duration(value) == text


def test_time_left() -> None:
    assert tags.time_left(timedelta(seconds=170)) == "about 3 min left"
    assert tags.time_left(timedelta(0)) == "almost done"
    assert tags.time_left(None) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(269_000_000, "269 MB"), (3_100_000_000, "3.1 GB"), (12, "12 bytes"), (None, "–")]
)
def test_filesize(value: object, text: str) -> None:
    assert tags.filesize(value) == text


def test_interval_says_what_it_rests_on() -> None:
    text = render("{% interval v lo hi n %}", v=0.62, lo=0.55, hi=0.69, n=1204)
    assert ">62%<" in text
    assert "(55–69)" in text
    assert ", n 1,204" in text
    assert "95% interval" in text
    assert "(3.8–4.4)" in render('{% interval 4.1 3.8 4.4 60 "1" %}')
    assert "not known, n 0" not in render("{% interval v %}", v=None)


def test_a_moment_is_sent_as_utc_with_its_machine_reading() -> None:
    moment = datetime(2026, 11, 14, 9, 5, tzinfo=UTC)
    text = render('{% when moment "datetime" %}', moment=moment)
    assert 'datetime="2026-11-14T09:05:00Z"' in text
    assert "14 Nov 2026, 09:05 UTC" in text
    assert "never" in render("{% when moment %}", moment=None)


@pytest.mark.parametrize(
    ("name", "text"), [("Mona Okafor", "MO"), ("Mona", "MO"), ("a b c", "AC"), ("", ""), ("李 明", "李明")]
)
def test_initials(name: str, text: str) -> None:
    assert tags.initials(name) == text


def test_role_names_stand_in_their_order() -> None:
    assert tags.role_names(["rater", "annotator"]) == "Annotator, rater"
    assert tags.role_names([]) == ""


def test_a_message_is_told_by_who_says_it() -> None:
    assert [tags.speaker(role) for role in ("user", "assistant", "system")] == [
        "Customer",
        "Agent",
        "System prompt",
    ]
    assert [tags.turn_class(role) for role in ("user", "assistant", "system")] == ["user", "bot", "system"]
    assert tags.speaker("edge case") == "Edge case"  # a field of the pair, not a role


def test_what_became_of_a_part_is_one_word() -> None:
    assert tags.part_state("added") == '<span class="part-state added">added</span>'
    assert tags.part_state("same") == '<span class="part-state">unchanged</span>'


EVIL = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    '<img src=x onerror="alert(1)">',
    "![x](https://elsewhere.example/pixel.png)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "<a href='#' style='position:fixed'>x</a>",
    "```\n</code><script>alert(1)</script>\n```",
]


@pytest.mark.parametrize("text", EVIL)
def test_markdown_lets_nothing_run_or_load(text: str) -> None:
    html = render("{{ text|markdown }}", text=text).lower()
    for bad in ("<script", "<img", 'href="javascript', 'href="data', "<a href='#'"):
        assert bad not in html


def test_markdown_keeps_what_a_guideline_needs() -> None:
    html = render(
        "{{ text|markdown }}",
        text="# Be kind\n\n* one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[y](https://x.example)",
    )
    for good in ("<h1>", "<li>one", "<table>", 'href="https://x.example"', 'rel="noopener'):
        assert good in html


def test_word_diff_marks_words_and_escapes_them() -> None:
    html = tags.word_diff("It is the carrier.", "It is <b>customs</b>, not the carrier.")
    assert "<del>" not in html
    assert html == "It is <ins>&lt;b&gt;customs&lt;/b&gt;, not </ins>the carrier."
    assert tags.word_diff("same", "same") == "same"
    assert tags.word_diff("", "new") == "<ins>new</ins>"


def test_texts_of_which_over_half_changed_stand_side_by_side() -> None:
    old = "The free time at the terminal is five days, and after that each day costs twenty euro."
    new = "Please send us the arrival notice first, <then> we can tell what the terminal will charge you."
    html = tags.word_diff(old, new)
    before, after = html.split('<span class="diff-name">After</span>')
    assert '<span class="diff-name">Before</span>' in before
    assert "<ins>" not in before
    assert "<del>" not in after
    assert "&lt;then&gt;" in after


def _without(html: str, tag: str, keep: str) -> str:
    import html as lib
    import re

    text = re.sub(rf"<{tag}>.*?</{tag}>", "", html, flags=re.DOTALL)
    return lib.unescape(re.sub(rf"</?{keep}>", "", text))


@given(st.text(alphabet="ab <>&\n.,é", max_size=60), st.text(alphabet="ab <>&\n.,é", max_size=60))
def test_word_diff_holds_both_texts_whole(old: str, new: str) -> None:
    html = tags.word_diff(old, new)
    assert _without(html, "ins", "del") == old
    assert _without(html, "del", "ins") == new


@given(st.one_of(st.none(), st.floats(), st.integers(), st.text(), st.booleans()))
def test_no_value_breaks_a_page(value: object) -> None:
    for write in (tags.number, tags.signed, tags.percent, tags.duration, tags.time_left, tags.filesize,
                  tags.milliseconds, tags.tone, tags.initials, tags.word_count):  # fmt: skip
        assert isinstance(str(write(value)), str)


def test_a_key_is_written_as_caps() -> None:
    assert render('{% key "ctrl+enter" "submit" %}') == (
        '<span class="key"><kbd>Ctrl</kbd> <kbd>Enter</kbd> submit</span>'
    )


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Mo froze 2 rows", "Mo froze 2 rows"),
        ("يوسف بن عمر, 2 min ago", "<bdi>يوسف بن عمر</bdi>, 2 min ago"),
        ("by دالية, יעל and Mo", "by <bdi>دالية</bdi>, <bdi>יעל</bdi> and Mo"),
        ("<b>ع</b> & ב-ג 3", "&lt;b&gt;<bdi>ع</bdi>&lt;/b&gt; &amp; <bdi>ב-ג</bdi> 3"),
        (None, "None"),
    ],
)
def test_names_from_the_right_are_isolated_in_a_sentence(sentence: object, shown: str) -> None:
    assert tags.isolated(sentence) == shown


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("example.sent_back", "Examples sent back"),
        ("sessions.ended", "Sessions ended"),
        ("query.asked", "Queries asked"),
        ("odd", "Odd"),
    ],
)
def test_what_one_did_is_counted_in_the_plural(action: str, words: str) -> None:
    assert tags.action_words(action) == words
