"""Search compares folded words and finds short words of scripts without spaces: the stored text is made anew where it differs."""

from django.db import migrations

BATCH = 2000


def fold(apps, schema_editor):
    from core.search import searchable

    Example = apps.get_model("annotation", "Example")
    # Plain English is stored as it was before; everything else is folded from the lower-case text that is there.
    others = Example.objects.filter(search_text__regex=r"[^\x01-\x7f]").order_by("pk")
    last = 0
    while batch := list(others.filter(pk__gt=last).only("pk", "search_text")[:BATCH]):
        for example in batch:
            example.search_text = searchable(example.search_text)
        Example.objects.bulk_update(batch, ["search_text"])
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [("annotation", "0008_control_marks_and_keys")]

    operations = [migrations.RunPython(fold, migrations.RunPython.noop)]
