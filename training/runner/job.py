"""What the processes of one run are given by the worker."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.host.undisturbed import Stretches, processor_seconds_of_siblings
from training.methods import METHODS, Recipe, recipe_from
from training.objectives import OBJECTIVES, recipe_type
from training.runner.job_folder import JOB, RESULT
from training.runner.plan import Clock, TrainingPlan
from training.runner.starting import StartFolders, load

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Parts of a plan that each process makes for itself.
_MADE_AGAIN = ("recipe", "objective", "tokenizer", "stretches", "clock")


@dataclass(frozen=True)
class TrainingJob:
    """`recipe` and `plan` as values; `threads` of each process on a CPU; `state_dir` holds the checkpoints."""

    training_run_id: int
    method: str
    objective: str
    recipe: dict[str, Any]
    plan: dict[str, Any]
    base_folder: Path
    start: StartFolders
    device: str
    autocast: bool
    threads: int
    state_dir: Path
    resume_from: Path | None

    def write(self, folder: Path) -> None:
        (folder / JOB).write_bytes(pickle.dumps(self))

    def typed_recipe(self) -> Recipe:
        return recipe_from(recipe_type(self.method, self.objective), self.recipe)

    def own_plan(self, tokenizer: "PreTrainedTokenizerBase") -> TrainingPlan:
        """The worker's plan."""
        plan = TrainingPlan.__new__(TrainingPlan)
        vars(plan).update(
            self.plan,
            recipe=self.typed_recipe(),
            objective=OBJECTIVES[self.objective],
            tokenizer=tokenizer,
            stretches=Stretches(self.device, read=processor_seconds_of_siblings),
            clock=Clock(),
        )
        return plan

    def untrained_model(self) -> "PreTrainedModel | PeftModel":
        """The model as it was before training: equal in every process and at every attempt."""
        from transformers import set_seed

        recipe = self.typed_recipe()
        set_seed(recipe.seed)
        return load(METHODS[self.method], recipe, self.start, self.device)

    def trained_model(self, folder: Path) -> "PreTrainedModel | PeftModel":
        """With the weights that the processes left in `folder`; they had parts of it only."""
        from training.runner import trained_weights

        model = self.untrained_model()
        trained_weights.load(model, folder / RESULT)
        return model


def as_values(plan: TrainingPlan) -> dict[str, Any]:
    return {name: value for name, value in vars(plan).items() if name not in _MADE_AGAIN}


def read(folder: Path) -> TrainingJob:
    """The worker's own file, in its own folder."""
    job = pickle.loads((folder / JOB).read_bytes())  # noqa: S301
    assert isinstance(job, TrainingJob)
    return job
