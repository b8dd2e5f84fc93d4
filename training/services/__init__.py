"""Actions of users in training: add base models, launch and retry runs, check versions."""

from training.services.base_models import (
    ensure_base_version,
    prepare_again,
    register_base_model,
    slug_for,
)
from training.services.forgetting import measure_forgetting
from training.services.interpolation import measure_interpolation, store_share
from training.services.learning_curves import check_curve, start_curve
from training.services.losses import measure_loss
from training.services.runs import NotLaunchable, cancel, check, count_tokens, launch, retry
from training.services.versions import check_files, mark_ready, mark_rejected, note_download, request_check

__all__ = [
    "NotLaunchable",
    "cancel",
    "check",
    "check_curve",
    "check_files",
    "count_tokens",
    "ensure_base_version",
    "launch",
    "mark_ready",
    "mark_rejected",
    "measure_forgetting",
    "measure_interpolation",
    "measure_loss",
    "note_download",
    "prepare_again",
    "register_base_model",
    "request_check",
    "retry",
    "slug_for",
    "start_curve",
    "store_share",
]
