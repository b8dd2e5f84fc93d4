import django.db.models.deletion
from django.db import migrations, models

# 7101: the lock that annotation.queries.counts.changes_so_far takes; see there.
FORWARD = """
CREATE FUNCTION annotation_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotation_examplecount (project_id, status, origin, edge, slice, source, n, rolled)
    SELECT project_id, status, origin, edge, slice, coalesce(source, ''), count(*), false
    FROM added GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
CREATE FUNCTION annotation_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotation_examplecount (project_id, status, origin, edge, slice, source, n, rolled)
    SELECT project_id, status, origin, edge, slice, coalesce(source, ''), -count(*), false
    FROM deleted GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
CREATE FUNCTION annotation_count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotation_examplecount (project_id, status, origin, edge, slice, source, n, rolled)
    SELECT project_id, status, origin, edge, slice, source, sum(one), false
    FROM (
        SELECT project_id, status, origin, edge, slice, coalesce(source, '') AS source, 1 AS one FROM added
        UNION ALL
        SELECT project_id, status, origin, edge, slice, coalesce(source, ''), -1 FROM deleted
    ) AS both_states
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(one) <> 0;
    IF EXISTS (SELECT FROM deleted WHERE status = 'approved') THEN
        PERFORM pg_advisory_xact_lock_shared(7101, 0);
        INSERT INTO annotation_approvedchange (project_id, example_id)
        SELECT d.project_id, d.id FROM deleted d JOIN added a USING (id)
        WHERE d.status = 'approved' AND (a.status, a.revision) <> (d.status, d.revision);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER example_added AFTER INSERT ON annotation_example
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION annotation_count_added();
CREATE TRIGGER example_deleted AFTER DELETE ON annotation_example
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION annotation_count_deleted();
CREATE TRIGGER example_changed AFTER UPDATE ON annotation_example
    REFERENCING OLD TABLE AS deleted NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION annotation_count_changed();
INSERT INTO annotation_examplecount (project_id, status, origin, edge, slice, source, n, rolled)
SELECT project_id, status, origin, edge, slice, coalesce(source, ''), count(*), true
FROM annotation_example GROUP BY 1, 2, 3, 4, 5, 6;
"""
BACKWARD = """
DROP TRIGGER example_added ON annotation_example;
DROP TRIGGER example_deleted ON annotation_example;
DROP TRIGGER example_changed ON annotation_example;
DROP FUNCTION annotation_count_added(), annotation_count_deleted(), annotation_count_changed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0003_example_search"),
        ("core", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExampleCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("status", models.CharField(max_length=10)),
                ("origin", models.CharField(max_length=8)),
                ("edge", models.CharField(max_length=24)),
                ("slice", models.CharField(max_length=120)),
                ("source", models.CharField(help_text="Empty without a source.", max_length=120)),
                ("n", models.IntegerField(help_text="Added, or negative: taken away.")),
                ("rolled", models.BooleanField(default=False)),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="core.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "status"], name="example_count"),
                    models.Index(
                        condition=models.Q(("rolled", False)), fields=["project"], name="example_count_new"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovedChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("example_id", models.BigIntegerField()),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="core.project",
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["project", "id"], name="approved_change")]},
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                condition=models.Q(("status", "returned")),
                fields=["project", "waiting_since"],
                name="example_returned",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                condition=models.Q(("status__in", ["returned", "in_review"])),
                fields=["project", "submitted_by", "status"],
                name="example_submitted",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
