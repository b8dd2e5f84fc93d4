from django.db import migrations


def way_back_of(history: list[tuple[str, int]]) -> list[int]:
    """`history` is [(action, version id)], oldest first; the ids that a rollback can go back to, the nearest last."""
    live: list[int] = []
    for action, version in history:
        if action == "live":
            live.append(version)
        elif version in live[:-1]:
            while len(live) > 1:
                live.pop()
                if live[-1] == version:
                    break
    return live[:-1]


def fill(apps, schema_editor):
    """Each project's way back, from all that was ever decided; before, only the last live version was kept."""
    Release, Route = apps.get_model("release", "Release"), apps.get_model("inference", "Route")
    for route in Route.objects.all():
        history = Release.objects.filter(project_id=route.project_id).order_by("pk")
        pairs = list(history.values_list("action", "version_id"))
        if pairs and pairs[-1][1] == route.version_id:
            Route.objects.filter(pk=route.pk).update(way_back=way_back_of(pairs))


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0003_answers"),
        ("release", "0001_initial"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
