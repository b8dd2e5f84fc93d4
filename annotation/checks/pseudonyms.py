"""Invented values of the same form for personal data: never a real one, and the same for the same value in all texts of an example.

Each comes from a range that is reserved for examples, tests or fiction, so that it belongs to no one:
RFC 2606 (example.com), RFC 5737 and 3849 (IP addresses), 555-01xx (North America), the drama numbers of Ofcom (GB), ARCEP (FR),
Bundesnetzagentur (DE) and ACMA (AU), card numbers of payment test systems (400000, 370000), IBANs of a bank code of
zeros, US social security numbers 987-65-4320 to 4329 (advertising) and numbers that begin with 9 (never issued).
"""

import hashlib
import re
from collections.abc import Callable

from stdnum import iban, luhn
from stdnum.gb import nhs
from stdnum.iso7064 import mod_97_10
from stdnum.nl import bsn

_FIRST = (
    "alex", "robin", "kim", "sam", "jo", "chris", "dana", "eli", "fran", "gray", "harper", "indy", "jamie", "kai", "lee", "morgan",
    "noor", "oli", "pat", "quinn", "rene", "sasha", "toni", "uli", "val", "wren", "yuri", "zoe", "ari", "billie", "casey", "drew",
)  # fmt: skip
_LAST = (
    "sample", "muster", "fields", "rivers", "stone", "brook", "hill", "wood", "marsh", "lake", "meadow", "forest", "north", "west",
    "south", "east", "winter", "summer", "autumn", "spring", "frost", "snow", "rain", "cloud", "storm", "gale", "ash", "birch",
    "cedar", "elm", "fern", "hazel",
)  # fmt: skip


def _number(value: str) -> int:
    return int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "big")


def _filled(written: str, digits: str) -> str:
    """The form of `written` (spaces, dashes, brackets) with other digits, as many as it has."""
    numbers = iter(digits)
    return "".join(next(numbers, "0") if letter.isdigit() else letter for letter in written)


def _digits(written: str) -> str:
    return re.sub(r"\D", "", written)


# --- one function for each kind: (written, seed) -> the invented value ---------------------------------------
def _email(written: str, seed: int) -> str:
    first, last = _FIRST[seed % 32], _LAST[seed // 32 % 32]
    local = written.split("@", maxsplit=1)[0]
    separator = next((sign for sign in "._-" if sign in local), ".")
    number = str(seed // 1024 % 90 + 10) if any(letter.isdigit() for letter in local) else ""
    return f"{first}{separator}{last}{number}@example.com"


# Prefixes that are reserved for fiction, with how many digits follow. The first digits of a number decide.
_FICTION = (
    ("447", "447700900", 3), ("07", "07700900", 3), ("44", "442079460", 3), ("020", "020794609", 2), ("33", "3319900", 4),
    ("06", "0639981", 3), ("01", "0199001", 3), ("49", "493023125", 3), ("030", "03023125", 3), ("089", "08999998", 3),
    ("614", "61491570", 3), ("04", "0491570", 3),
)  # fmt: skip


def _phone(written: str, seed: int) -> str:
    digits = _digits(written.replace("(0)", ""))
    national = digits.removeprefix("1") if len(digits) == 11 else digits
    if (len(national) == 10 and national[0] in "23456789" and not written.startswith("+")) or (
        written.startswith("+1") and len(digits) == 11
    ):
        area = digits[-10:-7]
        return _filled(written, f"{digits[:-10]}{area}55501{seed % 100:02}")
    for begins, prefix, free in _FICTION:
        if (
            digits.startswith(begins)
            and written.startswith("+") == (not begins.startswith("0"))
            and len(prefix) + free == len(digits)
        ):
            return _filled(written.replace("(0)", ""), f"{prefix}{seed % 10**free:0{free}}")
    return f"+44 7700 900{seed % 1000:03}" if written.startswith("+") else f"07700 900{seed % 1000:03}"


def _card(written: str, seed: int) -> str:
    digits = _digits(written)
    begin = "370000" if len(digits) == 15 else "400000"
    body = f"{begin}{seed % 10**6:0{len(digits) - 7}}"
    return _filled(written, body + luhn.calc_check_digit(body))


def _account(written: str, seed: int) -> str:
    compact = written.replace(" ", "")
    country, bban = compact[:2].upper(), compact[4:]
    free = min(6, len(bban) - 6)
    body = "".join("X" if letter.isalpha() else "0" for letter in bban)
    tail = str(seed % 10**free).rjust(free, "0")
    body = body[: len(body) - free] + "".join(
        digit if now != "X" else "X" for digit, now in zip(tail, body[len(body) - free :], strict=True)
    )
    check = mod_97_10.calc_check_digits(body + country)
    letters = iter(country + check + body)
    return "".join(letter if letter == " " else next(letters) for letter in written)


def _national(written: str, seed: int) -> str:
    digits = _digits(written)
    if re.fullmatch(r"\d{3}-?\d{2}-?\d{4}", written) and len(digits) == 9 and "-" in written:
        return _filled(written, f"98765432{seed % 10}" if seed % 3 else f"9{seed % 10**8:08}")
    for begin, holds in (("999", nhs.is_valid), ("9999", bsn.is_valid)):
        length = 10 if holds is nhs.is_valid else 9
        if len(digits) == length and holds(digits):
            return _filled(written, _counted(begin, length, seed, holds))
    return _filled(written, f"{0:0{max(1, len(digits) - 4)}}{seed % 10**4:04}"[: len(digits)])


def _counted(begin: str, length: int, seed: int, holds: Callable[[str], bool]) -> str:
    free = length - len(begin)
    for step in range(200):
        value = f"{begin}{(seed + step) % 10**free:0{free}}"
        if holds(value):
            return value
    return f"{begin}{seed % 10**free:0{free}}"


def _address(written: str, seed: int) -> str:
    number = str(seed % 98 + 1)
    for pattern, form in (
        (r"(?i)\bbox\b", "PO Box 0{}"), (r"(?i)^\d+,? (?:bis |ter )?(?:rue|avenue|boulevard|chemin|place)\b", "{} rue de l'Exemple"),
        (r"(?:straat|laan|gracht|plein|kade) \d", "Voorbeeldstraat {}"), (r"[a-zäöüß.] \d+[a-z]?$", "Musterstraße {}"),
    ):  # fmt: skip
        if re.search(pattern, written):
            return form.format(number)
    return f"{number} Sample Street"


def _ip(written: str, seed: int) -> str:
    if ":" in written:
        return f"2001:db8::{seed % 0xFFFF:x}"
    net = ("192.0.2", "198.51.100", "203.0.113")[seed % 3]
    return f"{net}.{seed // 3 % 254 + 1}"


_MAKERS: dict[str, Callable[[str, int], str]] = {
    "email": _email, "phone": _phone, "card": _card, "iban": _account, "national-id": _national, "address": _address, "ip": _ip,
}  # fmt: skip


def invented(kind: str, values: list[str], beside: str) -> dict[str, str]:
    """{value: its pseudonym}: equal values (spaces and case aside) have equal ones, different values different ones. `beside` is all
    text of the example: a pseudonym is never a value that it has already."""
    made: dict[str, str] = {}
    taken: dict[str, str] = {}
    for value in values:
        same = re.sub(r"[\s.()/-]", "", value).casefold() if kind != "email" else value.casefold()
        seed = _number(f"{kind}:{same}")
        for step in range(2000):
            name = _MAKERS[kind](value, seed + step)
            plain = re.sub(r"[\s.()/-]", "", name).casefold()
            if taken.get(plain, same) == same and name not in beside:
                taken[plain] = same
                made[value] = name
                break
    return made


# --- what is invented already --------------------------------------------------------------------------------
_RESERVED_PHONE = re.compile(
    r"(?:1?[2-9]\d\d)?55501\d\d|(?:44|0)7700900\d{3}|(?:44|0)20794609?\d{2,3}|33199\d{6}|06399\d{5}|0199\d{6}|(?:49|0)3023125\d{3}|08999998\d{3}|(?:61|0)491570\d{3}"
)
_SAMPLE_ADDRESS = re.compile(r"\b(?:Sample Street|rue de l'Exemple|Voorbeeldstraat|Musterstraße|Box 0\d*)")


def is_invented(kind: str, value: str) -> bool:
    """Whether a value is of a range that belongs to no one, so that it identifies no person."""
    digits = _digits(value)
    if kind == "phone":
        return bool(_RESERVED_PHONE.fullmatch(digits))
    if kind == "card":
        return digits.startswith(("400000000", "37000000"))
    if kind == "iban":
        bban = value.replace(" ", "")[4:]
        return bban.startswith(("XXXX0000", "00000000")) and iban.is_valid(value)
    if kind == "national-id":
        return digits.startswith(("9999", "0000")) or (len(digits) == 10 and digits.startswith("999"))
    return kind == "address" and bool(_SAMPLE_ADDRESS.search(value))
