"""Old numbers of rows and their new ones, in temporary tables of the import's transaction: a million of them need no memory here."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.db.utils import IntegrityError

from core.moving.errors import BadArchive
from core.moving.parts import Part, Row, part_of

_TABLES = """
DROP TABLE IF EXISTS moving_id, moving_name;
CREATE TEMPORARY TABLE moving_id (part text, old bigint, new bigint, PRIMARY KEY (part, old)) ON COMMIT DROP;
CREATE TEMPORARY TABLE moving_name (old text PRIMARY KEY, new text UNIQUE) ON COMMIT DROP
"""
_NUMBER = """
INSERT INTO moving_id (part, old, new)
SELECT %s, old, nextval(pg_get_serial_sequence(%s, 'id'))
FROM (SELECT old FROM unnest(%s::bigint[]) WITH ORDINALITY AS given (old, place) ORDER BY place) AS ordered
"""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Renumbered:
    """What one batch of rows asked for, and the answers."""

    def __init__(self, ids: dict[str, dict[int, int]], names: dict[str, str], slugs: tuple[str, str]) -> None:
        self._ids, self._names = ids, names
        self._old, self._new = (f"/p/{slug}/" for slug in slugs)

    def id(self, label: str, old: int) -> int | None:
        return self._ids.get(label, {}).get(old)

    def name(self, old: str) -> str:
        return self._names.get(old, old)

    def url(self, old: str) -> str:
        moved = self._new + old.removeprefix(self._old) if old.startswith(self._old) else old
        return _UUID.sub(lambda found: self.name(found[0]), moved)


class _Asked:
    """Notes what is asked for, and answers with the old values."""

    def __init__(self) -> None:
        self.ids: dict[str, set[int]] = defaultdict(set)
        self.names: set[str] = set()

    def id(self, label: str, old: int) -> int | None:
        self.ids[label].add(old)
        return old

    def name(self, old: str) -> str:
        self.names.add(old)
        return old

    def url(self, old: str) -> str:
        self.names.update(_UUID.findall(old))
        return old


class Ids:
    """The numbers and names of one import. `few` has those of rows that are found here or stored one by one."""

    def __init__(self, slugs: tuple[str, str]) -> None:
        self._slugs = slugs
        self.few: dict[str, dict[int, int]] = {}
        with connection.cursor() as cursor:
            cursor.execute(_TABLES)

    def number(self, part: Part, old: list[int]) -> None:
        """Takes new primary keys for these rows, in their order. BadArchive when one comes twice."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(_NUMBER, [part.label, part.model._meta.db_table, old])
        except IntegrityError:
            raise BadArchive(f"The archive has two rows with one number among the {part.noun}.") from None

    def rename(self, names: dict[str, str]) -> None:
        """Notes new spellings of texts that are in use here."""
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO moving_name VALUES (%s, %s) ON CONFLICT (old) DO NOTHING", list(names.items())
            )

    def settle(self) -> None:
        """All numbers are known: the planner must know how many."""
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE moving_id, moving_name")

    def answer(self, ask: Callable[[Any], object]) -> Renumbered:
        """The answers to what `ask` asks for when it is called with a Renumber."""
        asked = _Asked()
        ask(asked)
        found = {label: self._found(label, old) for label, old in asked.ids.items()}
        return Renumbered(found, self._renamed(asked.names), self._slugs)

    def _found(self, label: str, old: Iterable[int]) -> dict[int, int]:
        if label in self.few:
            return self.few[label]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT old, new FROM moving_id WHERE part = %s AND old = ANY(%s)",
                [label, [number for number in old if 0 <= number < 2**63]],
            )
            return dict(cursor.fetchall())

    def _renamed(self, names: set[str]) -> dict[str, str]:
        if not names:
            return {}
        with connection.cursor() as cursor:
            cursor.execute("SELECT old, new FROM moving_name WHERE old = ANY(%s)", [sorted(names)])
            return dict(cursor.fetchall())


def renumbered(part: Part, row: Row, new: Any) -> Row:
    """The row with the primary keys, references and unique texts of this installation. BadArchive when it refers to a row that is not
    in the archive."""
    moved = dict(row)
    moved["id"] = new.id(part.label, row["id"])
    for column, label in part.targets.items():
        if (old := row[column]) is not None:
            moved[column] = new.id(label, old)
            if moved[column] is None:
                target = part_of(label)
                raise BadArchive(
                    f"The archive is not consistent: one of the {part.noun} refers to number {old} of the "
                    f"{target.noun if target else label}, which is not in it."
                )
    for column, rule in part.json.items():
        moved[column] = rule(row[column], new)
    for column in part.fresh:
        if isinstance(row[column], str):
            moved[column] = new.name(row[column])
    if part.rewrite is not None:
        part.rewrite(moved, new)
    return moved
