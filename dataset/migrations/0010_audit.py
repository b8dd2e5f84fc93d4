import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A finished audit is evidence: its figures, lexicons and settings do not change, and neither does a decision.
FORWARD = """
CREATE FUNCTION datasets_audit_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.made_at IS NOT NULL AND (
        OLD.facts, OLD.lexicons, OLD.settings, OLD.content_hash, OLD.made_at, OLD.dataset_id
    ) IS DISTINCT FROM (
        NEW.facts, NEW.lexicons, NEW.settings, NEW.content_hash, NEW.made_at, NEW.dataset_id
    ) THEN
        RAISE EXCEPTION 'A finished bias audit does not change.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER datasets_audit_fixed BEFORE UPDATE ON datasets_biasaudit
    FOR EACH ROW EXECUTE FUNCTION datasets_audit_fixed();
CREATE FUNCTION datasets_decision_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Decisions about a bias audit are added, never changed.';
END $$;
CREATE TRIGGER datasets_decision_fixed BEFORE UPDATE ON datasets_auditdecision
    FOR EACH ROW EXECUTE FUNCTION datasets_decision_fixed();
"""
BACKWARD = """
DROP TRIGGER datasets_decision_fixed ON datasets_auditdecision;
DROP FUNCTION datasets_decision_fixed();
DROP TRIGGER datasets_audit_fixed ON datasets_biasaudit;
DROP FUNCTION datasets_audit_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0007_findings"),
        ("core", "0003_moving"),
        ("datasets", "0009_duplicates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BiasAudit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "settings",
                    models.JSONField(
                        help_text="correction, and dataset_hash: the version's content hash, or empty."
                    ),
                ),
                (
                    "lexicons",
                    models.JSONField(
                        default=dict, help_text="{characteristic: content}, as they were when it started."
                    ),
                ),
                (
                    "facts",
                    models.JSONField(
                        default=dict, help_text="As dataset.fairness.counting.facts_of makes them."
                    ),
                ),
                ("content_hash", models.CharField(blank=True, default="", max_length=64)),
                ("made_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "dataset",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bias_audit",
                        to="datasets.datasetversion",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bias_audits",
                        to="core.project",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bias_audit",
                        to="core.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="AuditFinding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("characteristic", models.CharField(max_length=40)),
                ("group", models.CharField(max_length=40)),
                (
                    "outcome",
                    models.CharField(
                        help_text="A key of dataset.fairness.outcomes.OUTCOMES, or share.", max_length=20
                    ),
                ),
                ("says", models.TextField()),
                (
                    "figures",
                    models.JSONField(help_text="As dataset.fairness.counting.Comparison.stored gives them."),
                ),
                (
                    "examples",
                    models.JSONField(
                        default=list, help_text="Ids of examples that name the group, to make twins of."
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("accepted", "Accepted"),
                            ("fixed", "Fixed"),
                            ("answered", "Answered"),
                        ],
                        default="open",
                        max_length=8,
                    ),
                ),
                (
                    "audit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="findings",
                        to="datasets.biasaudit",
                    ),
                ),
            ],
            options={
                "verbose_name": "finding",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="BiasLexicon",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("characteristic", models.CharField(max_length=40)),
                (
                    "content",
                    models.JSONField(help_text="As dataset.fairness.words.read_characteristic reads it."),
                ),
                ("revision", models.PositiveIntegerField(default=1)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "changed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bias_lexicons",
                        to="core.project",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Twin",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "revision",
                    models.PositiveIntegerField(help_text="The revision of the example that was swapped."),
                ),
                ("characteristic", models.CharField(max_length=40)),
                (
                    "one",
                    models.CharField(
                        help_text="The two groups that changed places, by their labels.", max_length=120
                    ),
                ),
                ("other", models.CharField(max_length=120)),
                ("messages", models.JSONField()),
                ("context", models.JSONField(default=list)),
                ("completion", models.TextField()),
                (
                    "swaps",
                    models.JSONField(help_text="{text: [{old, new, at, doubt}]} (dataset.fairness.twins)."),
                ),
                (
                    "doubts",
                    models.PositiveIntegerField(default=0, help_text="Swaps that a person must look at."),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "To read"),
                            ("accepted", "Accepted"),
                            ("discarded", "Discarded"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "example",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bias_twins",
                        to="annotation.example",
                    ),
                ),
                (
                    "finding",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="twins",
                        to="datasets.auditfinding",
                    ),
                ),
                (
                    "made",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="twin_of",
                        to="annotation.example",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bias_twins",
                        to="core.project",
                    ),
                ),
            ],
            options={
                "verbose_name": "twin",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="AuditDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "decision",
                    models.CharField(
                        choices=[
                            ("accepted", "Accepted"),
                            ("fixed", "Fixed"),
                            ("answered", "Answered"),
                        ],
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                (
                    "carried_from",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The number of the earlier audit from which it was taken over.",
                        null=True,
                    ),
                ),
                (
                    "by_name",
                    models.CharField(
                        blank=True, help_text="The name at that time; it is in the hash.", max_length=120
                    ),
                ),
                ("at", models.DateTimeField()),
                ("record_hash", models.CharField(max_length=64)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="decisions",
                        to="datasets.auditfinding",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("decision__in", ["accepted", "fixed", "answered"])),
                        name="audit_decision_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="audit_decision_reason"
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="biasaudit",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="bias_audit_number"),
        ),
        migrations.AddConstraint(
            model_name="biasaudit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("content_hash", ""), ("made_at__isnull", True)),
                    models.Q(("made_at__isnull", False), models.Q(("content_hash", ""), _negated=True)),
                    _connector="OR",
                ),
                name="bias_audit_made_with_hash",
            ),
        ),
        migrations.AddConstraint(
            model_name="auditfinding",
            constraint=models.UniqueConstraint(
                fields=("audit", "characteristic", "group", "outcome"), name="audit_finding_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="auditfinding",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["open", "accepted", "fixed", "answered"])),
                name="audit_finding_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="biaslexicon",
            constraint=models.UniqueConstraint(
                fields=("project", "characteristic"), name="bias_lexicon_once"
            ),
        ),
        migrations.AddIndex(
            model_name="twin",
            index=models.Index(fields=["project", "status", "id"], name="bias_twin_list"),
        ),
        migrations.AddConstraint(
            model_name="twin",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "discarded"), _negated=True),
                fields=("example", "characteristic", "one", "other"),
                name="bias_twin_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="twin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("made__isnull", False), ("status", "accepted")),
                    models.Q(("made__isnull", True), ("status__in", ["waiting", "discarded"])),
                    _connector="OR",
                ),
                name="bias_twin_status",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
