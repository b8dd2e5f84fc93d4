"""Well-known licenses of data, and what the data rules ask of them. No database.

The facts are those of the licenses' own texts, in the short form that the rules need; they are no legal advice. A text that is
not listed is an unknown license, which is a state of its own: nothing is guessed from a name.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class License:
    """`identifier` is that of the SPDX license list; "LicenseRef-" marks the two that are ours."""

    identifier: str
    name: str
    commercial: bool
    derivatives: bool
    attribution: bool
    share_alike: bool
    also: tuple[str, ...] = ()  # other spellings, beside identifier and name


def _cc(
    kind: str, version: str, words: str, *, nc: bool = False, nd: bool = False, sa: bool = False
) -> License:
    return License(
        f"CC-{kind}-{version}",
        f"Creative Commons {words} {version}",
        commercial=not nc,
        derivatives=not nd,
        attribution=True,
        share_alike=sa,
    )


def _open(identifier: str, name: str, *, attribution: bool = True, share_alike: bool = False) -> License:
    return License(identifier, name, True, True, attribution, share_alike)


LICENSES: tuple[License, ...] = (
    License(
        "LicenseRef-Internal",
        "Internal",
        True,
        True,
        False,
        False,
        ("Own data", "Own", "In-house", "Proprietary, own"),
    ),
    License(
        "LicenseRef-Contract", "Contract that allows this use", True, True, False, False, ("By contract",)
    ),
    License("CC0-1.0", "Creative Commons Zero 1.0", True, True, False, False, ("CC0", "Public domain")),
    _open("PDDL-1.0", "Open Data Commons Public Domain Dedication 1.0", attribution=False),
    _open("ODC-By-1.0", "Open Data Commons Attribution 1.0"),
    _open("ODbL-1.0", "Open Database License 1.0", share_alike=True),
    *(
        license_
        for version in ("3.0", "4.0")
        for license_ in (
            _cc("BY", version, "Attribution"),
            _cc("BY-SA", version, "Attribution ShareAlike", sa=True),
            _cc("BY-ND", version, "Attribution NoDerivatives", nd=True),
            _cc("BY-NC", version, "Attribution NonCommercial", nc=True),
            _cc("BY-NC-SA", version, "Attribution NonCommercial ShareAlike", nc=True, sa=True),
            _cc("BY-NC-ND", version, "Attribution NonCommercial NoDerivatives", nc=True, nd=True),
        )
    ),
    _open("CDLA-Permissive-2.0", "Community Data License Agreement Permissive 2.0"),
    _open("CDLA-Sharing-1.0", "Community Data License Agreement Sharing 1.0", share_alike=True),
    _open("OGL-UK-3.0", "Open Government Licence 3.0"),
    _open("DL-DE-BY-2.0", "Data licence Germany attribution 2.0"),
    _open("DL-DE-ZERO-2.0", "Data licence Germany zero 2.0", attribution=False),
    _open("etalab-2.0", "Etalab Open License 2.0"),
    _open("MIT", "MIT License"),
    _open("Apache-2.0", "Apache License 2.0"),
    _open("BSD-2-Clause", "BSD 2-Clause License"),
    _open("BSD-3-Clause", "BSD 3-Clause License"),
    _open("GPL-3.0-only", "GNU General Public License 3.0 only", share_alike=True),
    _open("GFDL-1.3-only", "GNU Free Documentation License 1.3 only", share_alike=True),
)


def _key(text: str) -> str:
    """Letters and digits only, in lower case: "CC BY 4.0" and "cc-by-4.0" are one license."""
    return re.sub(r"[^0-9a-z]+", "", text.casefold())


_BY_KEY = {
    _key(text): license_
    for license_ in LICENSES
    for text in (license_.identifier, license_.name, *license_.also)
}


def license_of(text: str) -> License | None:
    """The well-known license that a text names, by its identifier, its name or a common spelling; None when it is unknown."""
    return _BY_KEY.get(_key(text))


def about(text: str) -> str:
    """What is known of a license, as a sentence for people."""
    found = license_of(text)
    if found is None:
        return "Unknown license: its conditions are not known here." if text else "No license is given."
    parts = [
        "commercial use allowed" if found.commercial else "no commercial use",
        "derivatives allowed" if found.derivatives else "no derivatives",
        "attribution needed" if found.attribution else "no attribution needed",
    ]
    if found.share_alike:
        parts.append("share-alike")
    return f"{found.name}: {', '.join(parts)}."
