"""The rows of versions that were frozen before get what newer rows have from the start."""

from typing import Any

from django.db import migrations

from annotation.text.hashes import content_hash, nfc

_PORTION = 2000
# Most rows are of the newest revision of their example, which has the hash already.
_BY_EXAMPLE = """
UPDATE datasets_datasetrow d
SET text_hash = e.content_hash, slice = normalize(coalesce(r.content->>'slice', ''), NFC)
FROM annotation_example e, annotation_revision r
WHERE e.id = d.example_id AND r.id = d.revision_id AND r.number = e.revision
"""


def fill(apps: Any, schema_editor: Any) -> None:
    revisions = apps.get_model("annotation", "Revision")
    rows = apps.get_model("datasets", "DatasetRow")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_BY_EXAMPLE)
    last = 0
    while True:
        left = rows.objects.filter(text_hash="", revision__gt=last).order_by("revision")
        ids = list(left.values_list("revision", flat=True).distinct()[:_PORTION])
        if not ids:
            return
        for revision in revisions.objects.filter(pk__in=ids):
            content = revision.content
            rows.objects.filter(revision=revision).update(
                text_hash=content_hash(
                    messages=content.get("messages") or [],
                    context=content.get("context") or [],
                    completion=content.get("completion") or "",
                ),
                slice=nfc(content.get("slice") or ""),
            )
        last = ids[-1]


class Migration(migrations.Migration):
    dependencies = [("datasets", "0005_rows"), ("annotation", "0002_rejected")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
