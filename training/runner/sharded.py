"""The Trainer of a run that several processes share, and of one that a single process trains.

accelerate divides weights, gradients and optimiser states over the processes (FSDP2, `torch.distributed.fsdp.fully_shard`). A checkpoint
does not depend on their number: the first process writes it from the parts of all, in the form that a single process writes, so a run can
go on with more or fewer of them. Imports torch, as `training.runner.loop` does.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.utils.data import Dataset
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

from core.runs.context import RunFailed
from training import checkpoints
from training.rows import TrainingRow
from training.runner import ranks
from training.runner.plan import TrainingPlan
from training.runner.trained_weights import FILE, SavesWhatIsTrained, reshard, save_tensors, trained_tensors

OPTIMIZER, SCHEDULER = "optimizer.pt", "scheduler.pt"
if TYPE_CHECKING:
    from peft import PeftModel

# Settings of transformers' Trainer. Weights stay as the method loads them: products run in bfloat16 by autocast, as with one process.
FSDP = {"version": 2, "reshard_after_forward": True}


class ShardedTrainer(SavesWhatIsTrained):
    """A Trainer with atomic checkpoints that any number of processes can go on from.

    `autocast`: products in bfloat16. With several processes that is done here: accelerate would turn the weights themselves into
    bfloat16.
    """

    def __init__(
        self,
        *,
        training_run_id: int,
        plan: TrainingPlan,
        autocast: bool,
        model: "PreTrainedModel | PeftModel",
        args: TrainingArguments,
        train_dataset: Dataset,
        data_collator: Callable[[list[TrainingRow]], dict[str, Any]],
        callbacks: list[TrainerCallback],
    ) -> None:
        self._training_run_id, self._plan, self._autocast = training_run_id, plan, autocast
        self._staging: Path | None = None
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            data_collator=data_collator,
            callbacks=callbacks,
        )

    # Of transformers' Trainer, which has no types.
    is_fsdp_enabled: bool

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        if self.args.fsdp and not self.is_fsdp_enabled:
            # accelerate switches FSDP on for GPUs only. Its preparation of the model works on processors too.
            state = self.accelerator.state
            state.fsdp_plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
            state.distributed_type = DistributedType.FSDP
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP  # noqa: SLF001
            self.is_fsdp_enabled = True

    def compute_loss_context_manager(self) -> contextlib.ExitStack:
        stack = super().compute_loss_context_manager()
        if self._autocast and ranks.processes() > 1:
            stack.enter_context(torch.autocast(self.args.device.type, dtype=torch.bfloat16))
        return stack

    def own_random_numbers(self) -> None:
        """Each process drops other inputs; otherwise rows that are computed at the same time would lose the same ones."""
        if ranks.processes() > 1:
            torch.manual_seed(self.args.seed + 1_000_003 * self.state.global_step + ranks.number())

    # --- writing
    def _get_output_dir(self, trial: object) -> str:
        return str(self._staging) if self._staging is not None else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: "PreTrainedModel | PeftModel", trial: object) -> None:
        step = self.state.global_step

        def fill(folder: Path) -> None:
            self._staging = folder
            try:
                super(ShardedTrainer, self)._save_checkpoint(model, trial)
            finally:
                self._staging = None
            inner = folder / f"checkpoint-{step}"
            for path in list(inner.iterdir()):
                path.rename(folder / path.name)
            inner.rmdir()

        with self._plan.doing("save"):
            if ranks.is_first():
                checkpoints.write(self._training_run_id, step, fill)
            else:
                # Gives its parts to the first process, and writes nothing.
                super()._save_checkpoint(model, trial)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if ranks.processes() == 1:
            super().save_model(output_dir, _internal_call)
            return
        weights = self.whole_weights()
        if ranks.is_first():
            save_tensors(weights, Path(output_dir or self.args.output_dir))

    def whole_weights(self) -> dict[str, torch.Tensor]:
        """{name: trained weight}, on the processor; empty in all processes but the first."""
        reshard(self.model)
        weights = {}
        for name, weight in trained_tensors(self.model).items():
            full = ranks.whole(weight)
            if ranks.is_first():
                weights[name] = full
        return weights

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if ranks.processes() == 1:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        # Its dictionaries are the optimiser's own: they are not written to.
        state = dict(self.optimizer.state_dict())
        whole: dict[int, dict[str, Any]] = {}
        for at, values in state["state"].items():
            parts = {
                key: ranks.whole(value) if isinstance(value, torch.Tensor) else value
                for key, value in values.items()
            }
            if ranks.is_first():
                whole[at] = parts
        state["state"] = whole
        if ranks.is_first():
            torch.save(state, Path(output_dir) / OPTIMIZER)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)

    def _save_rng_state(self, output_dir: str) -> None:
        """The first process writes those of all, so that the checkpoint is complete on its disk."""
        if ranks.processes() == 1:
            super()._save_rng_state(output_dir)
            return
        with tempfile.TemporaryDirectory() as folder:
            super()._save_rng_state(folder)
            (path,) = Path(folder).iterdir()
            files = ranks.gathered((path.name, path.read_bytes()))
        if ranks.is_first():
            for name, content in files:
                (Path(output_dir) / name).write_bytes(content)

    # --- reading
    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        if ranks.processes() > 1 and not (Path(resume_from_checkpoint) / FILE).is_file():
            raise RunFailed(
                "old_checkpoint",
                "The checkpoint of this run is of an earlier release, which only one process can read.",
                "Set GUILDHALL_TRAINING_PROCESSES to 1 until this run has ended, or launch the run again.",
            )
        super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or ranks.processes() == 1:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        state = torch.load(Path(checkpoint) / OPTIMIZER, map_location="cpu", weights_only=True)
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for at, values in state["state"].items():
            own: dict[str, Any] = {}
            for key, value in values.items():
                divided = isinstance(value, torch.Tensor) and value.shape == weights[at].shape
                own[key] = ranks.like(value, weights[at]) if divided else value
            state["state"][at] = own
        self.optimizer.load_state_dict(state)
        self.lr_scheduler.load_state_dict(
            torch.load(Path(checkpoint) / SCHEDULER, map_location="cpu", weights_only=True)
        )
