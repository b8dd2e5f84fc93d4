"""The style sheets and templates as text: contrast in both themes, no style or script that the policy would block."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
CSS = sorted((ROOT / "static" / "css").glob("*.css"))
JS = sorted((ROOT / "static" / "js").glob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def _tokens() -> dict[str, tuple[str, str]]:
    text = (ROOT / "static" / "css" / "tokens.css").read_text()
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", text)
    named = {name: (light, dark) for name, light, dark in found}
    for name, other in re.findall(r"--([\w-]+): var\(--([\w-]+)\)", text):
        named[name] = named[other]
    return named


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of an sRGB colour."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known near miss


GROUNDS = ("paper", "sheet", "sunk", "hover")
TEXT = [
    *((ink, ground) for ink in ("ink", "soft") for ground in GROUNDS),
    *(("accent", ground) for ground in ("paper", "sheet", "accent-soft", "hover")),
    *((name, f"{name}-soft") for name in ("copper", "bad")),
    *((name, ground) for name in ("copper", "bad") for ground in ("paper", "sheet")),
    ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-bad", "bad"), ("ink", "accent-soft"),
    ("ink", "copper-soft"), ("ink", "bad-soft"), ("paper", "ink"),
    *((f"series-{n}", "sheet") for n in range(1, 6)),
]  # fmt: skip


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: int) -> None:
    tokens = _tokens()
    assert contrast(tokens[text][theme], tokens[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "sheet"])
@pytest.mark.parametrize("mark", ["edge", "accent", "copper", "bad"])
def test_outlines_of_controls_and_focus_are_seen(mark: str, ground: str, theme: int) -> None:
    tokens = _tokens()
    assert contrast(tokens[mark][theme], tokens[ground][theme]) >= 3


@pytest.mark.parametrize("path", [p for p in CSS if p.name != "tokens.css"], ids=lambda p: p.name)
def test_style_sheets_use_the_tokens_only(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"@media print \{.*?\n\}", "", text, flags=re.DOTALL)
    known = {f"--{name}" for name in re.findall(r"--([\w-]+):", (ROOT / "static/css/tokens.css").read_text())}
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", text) == []
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) - known == set()
    assert "http" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(ROOT / "templates")))
def test_templates_hold_nothing_that_the_policy_blocks(path: Path) -> None:
    text = re.sub(r"\{% comment %\}.*?\{% endcomment %\}|\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"<[^>]+\sstyle\s*=", text)
    assert not re.search(r"<style\b", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\son\w+\s*=\s*[\"']", text)
    assert "hx-on" not in text
    assert "javascript:" not in text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)


@pytest.mark.parametrize("path", JS, ids=lambda p: p.name)
def test_scripts_make_no_html_from_text_and_reach_no_other_host(path: Path) -> None:
    text = path.read_text()
    # A template element runs nothing while it parses: the way to read a fragment that the server rendered.
    text = re.sub(r'(\w+) = document\.createElement\("template"\);\s+\1\.innerHTML', "", text)
    assert "innerHTML" not in text
    assert "insertAdjacentHTML" not in text
    assert "eval(" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_every_include_named_in_the_reference_exists_and_the_other_way_round() -> None:
    text = (ROOT / "docs" / "reference" / "components.md").read_text()
    named = set(re.findall(r"`(\w+\.html)`", text)) - {"base.html"}
    there = {path.name for path in (ROOT / "templates" / "components").glob("*.html")} - {"top.html"}
    assert named == there


def test_every_element_named_in_the_reference_is_defined() -> None:
    text = (ROOT / "docs" / "reference" / "components.md").read_text()
    defined = {
        name for path in JS for name in re.findall(r'customElements\.define\("([\w-]+)"', path.read_text())
    }
    assert set(re.findall(r"`<(gh-[\w-]+)", text)) <= defined
