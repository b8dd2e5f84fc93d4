"""Puts onto a project's lists what its examples already have, and what every project starts with."""

from django.db import connection

from annotation.models import START_EDGES, Category
from core.models import Project

# A column of a file that holds other things than slices must not fill the list.
MOST_LISTED = 500
_ADOPT = """
INSERT INTO annotation_category (project_id, kind, key, name, description, position, active, origin, created_at)
SELECT %(project)s, 'slice', slice, slice, '', place, true, %(origin)s, now()
FROM (
    SELECT slice, known.number + row_number() OVER (ORDER BY slice) AS place
    FROM (
        SELECT slice FROM annotation_examplecount WHERE project_id = %(project)s AND slice <> ''
        GROUP BY slice HAVING sum(n) > 0
    ) AS used, (
        SELECT count(*) AS number FROM annotation_category WHERE project_id = %(project)s AND kind = 'slice'
    ) AS known
    WHERE NOT EXISTS (
        SELECT FROM annotation_category c WHERE c.project_id = %(project)s AND c.kind = 'slice' AND c.key = slice
    )
) AS missing
WHERE place <= %(most)s
ON CONFLICT DO NOTHING
"""


def start_lists(project: Project) -> None:
    """The kinds of edge cases of a new project."""
    Category.objects.bulk_create(
        [
            Category(
                project=project,
                kind=Category.Kind.EDGE,
                key=key,
                name=name,
                position=at,
                origin=Category.Origin.START,
            )
            for at, (key, name) in enumerate(START_EDGES, 1)
        ],
        ignore_conflicts=True,
    )


def adopt_slices(project: Project, *, origin: str) -> int:
    """Slices that examples have and that are not on the list come onto it, up to MOST_LISTED in all. Returns their number. One
    statement, on the kept counts: fast for any number of examples."""
    with connection.cursor() as cursor:
        cursor.execute(_ADOPT, {"project": project.pk, "origin": origin, "most": MOST_LISTED})
        return cursor.rowcount


def list_slice(project: Project, name: str) -> None:
    """A slice that somebody typed in an example comes onto the list, unless the list is full."""
    number = Category.objects.filter(project=project, kind=Category.Kind.SLICE).count()
    if number < MOST_LISTED:
        Category.objects.bulk_create(
            [
                Category(
                    project=project,
                    kind=Category.Kind.SLICE,
                    key=name,
                    name=name,
                    position=number + 1,
                    origin=Category.Origin.EXAMPLE,
                )
            ],
            ignore_conflicts=True,
        )
