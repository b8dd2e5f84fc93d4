"""Numbers that people and programs type into addresses."""

import re

LARGEST_ID = 2**63 - 1  # PostgreSQL's bigint
LARGEST_COUNT = 2**31 - 1  # its integer: numbers of revisions, runs, versions, steps


def whole_number(text: object, *, most: int = LARGEST_ID) -> int | None:
    """The whole number in `text`, from 0 to `most`; None for other texts.

    `str.isdigit` is true for characters that `int` refuses ("²"), and PostgreSQL refuses what is larger than a column.
    """
    digits = str(text if text is not None else "").strip()
    if not digits.isdecimal() or len(digits) > len(str(LARGEST_ID)):
        return None
    number = int(digits)
    return number if number <= most else None


_DECIMAL = re.compile(r"[0-9]{1,12}(?:[.,][0-9]{1,12})?")


def decimal_number(text: object) -> float | None:
    """The number in `text`, from 0, with a point or a comma; None for other texts."""
    typed = str(text if text is not None else "").strip()
    return float(typed.replace(",", ".")) if _DECIMAL.fullmatch(typed) else None
