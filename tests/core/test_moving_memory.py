"""Memory does not grow with the project: rows go from the database to the file and back in batches."""

import gc
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from annotation.models import Example
from core.models import Project
from tests.support.factories import World
from tests.support.moving import archive_of, bring

pytestmark = [pytest.mark.django_db]
MANY = 20_000
MB = 1024 * 1024


# The hash of an example as annotation.text.hashes.content_hash has it, for these plain texts.
FILL = """
INSERT INTO annotation_example (project_id, status, messages, context, completion, slice, edge, tags, "group", license,
    external_id, origin, origin_detail, content_hash, revision, waiting_since, created_at, changed_at)
SELECT %s, 'approved', jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Where is shipment ' || n)), '[]',
    repeat(md5(n::text) || ' ', 60), '', '', '{}', 'g' || n, '', '', 'written', '{}',
    encode(sha256(convert_to('{"completion":"' || repeat(md5(n::text) || ' ', 60) || '","context":[],"messages":[{"content":"Where is shipment '
        || n || '","role":"user"}]}', 'UTF8')), 'hex'), 1,
    now(), now(), now()
FROM generate_series(1, %s) AS n;
INSERT INTO annotation_revision (example_id, number, reason, content, note, at)
SELECT id, 1, 'written', jsonb_build_object('messages', messages, 'context', context, 'completion', completion), '', now()
FROM annotation_example WHERE project_id = %s
"""


def fill(project: Project, count: int) -> None:
    """Examples of about three kilobytes with a revision each, made by the database: this process has no memory left over from it."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, [project.pk, count, project.pk])


def _memory(name: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS now, VmHWM at most since the last reset."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def peak_of(work: Callable[[], object]) -> int:
    """How much more memory the process had during `work` than before it."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    work()
    return _memory("VmHWM") - before


def test_twenty_thousand_examples_need_little_memory(world: World, tmp_path: Path):
    fill(world.project, MANY)
    path = tmp_path / "a.zip"
    archive_of(world.other, tmp_path / "small.zip")  # what is loaded at the first use does not count
    bring(tmp_path / "small.zip", "small")
    writing = peak_of(lambda: archive_of(world.project, path))
    reading = peak_of(lambda: bring(path, "moved"))
    assert Example.objects.filter(project__slug="moved").count() == MANY
    # The rows alone are 100 MB of JSON.
    print(writing / MB, reading / MB, path.stat().st_size / MB)
    assert (writing < 60 * MB, reading < 80 * MB) == (True, True), (writing / MB, reading / MB)
