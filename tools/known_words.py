"""Makes annotation/checks/english/known_words.txt: the commonest English words that the installed harper knows.

    python -m tools.known_words

Run it after an update of harper-py: with another version's list the checks are as good, and slower until they have learned the words.
"""

import os
import re
import sys
from importlib.metadata import version

WORDS = 30_000  # the commonest of wordfreq
_EACH = 40  # words of one text
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def passed(words: list[str]) -> set[str]:
    """Those that harper says nothing of."""
    from annotation.checks.english.harper import asked

    fine: set[str] = set()
    for first in range(0, len(words), _EACH):
        some = words[first : first + _EACH]
        text = f"Words: {', '.join(some)}."
        marked = [(lint.start, lint.end) for lint in asked(text)]
        at = len("Words: ")
        for word in some:
            if not any(start < at + len(word) and at < end for start, end in marked):
                fine.add(word)
            at += len(word) + len(", ")
    return fine


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from wordfreq import top_n_list

    from annotation.checks.english.plain import KNOWN_WORDS

    words = [word for word in top_n_list("en", WORDS) if _WORD.fullmatch(word)]
    small = passed(words)
    # What harper knows in small letters it knows with a capital one. Names it knows with a capital one only.
    names = passed([word.capitalize() for word in words if word not in small])
    lines = [f"harper-py {version('harper-py')}", *sorted(small | names)]
    KNOWN_WORDS.write_text("\n".join(lines) + "\n")
    sys.stdout.write(f"{len(small):,} words and {len(names):,} names in {KNOWN_WORDS.name}\n")


if __name__ == "__main__":
    main()
