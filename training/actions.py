"""The audited actions of training, and how each reads in a sentence."""

from core.audit.actions import AuditAction


class TrainingAction(AuditAction):
    BASE_MODEL_ADDED = "base_model.added", "{actor} added the base model {label}"
    BASE_MODEL_READY = "base_model.ready", "The base model {label} is ready"
    BASE_MODEL_ASKED = (
        "base_model.asked",
        "{label} was asked about {examples} with facts without support: {unknown} state one that it does not know",
    )
    TRAINING_LAUNCHED = "training.launched", "{actor} launched {label} on {base_model}, dataset {dataset}"
    TRAINING_RESUMED = "training.resumed", "{label} continued from step {from_step}"
    MODEL_VERSION_REGISTERED = "model_version.registered", "Model version {label} was made"
    MODEL_VERSION_READY = "model_version.ready", "Model version {label} passed the token check"
    MODEL_VERSION_REJECTED = "model_version.rejected", "Model version {label} was rejected: its tokens differ"
    MODEL_VERSION_CHECK_REQUESTED = (
        "model_version.check_requested",
        "{actor} requested the token check of {label}",
    )
    MODEL_VERSION_DOWNLOADED = "model_version.downloaded", "{actor} downloaded {label}"
    MODEL_VERSION_FILES_CHECKED = "model_version.files_checked", "The files of {label} were checked"
    MODEL_VERSION_LOSS_MEASURED = (
        "model_version.loss_measured",
        "The loss of {label} and {against} was measured on the same {rows} test rows",
    )
    FORGETTING_REQUESTED = (
        "model_version.forgetting_requested",
        "{actor} asked what {label} forgot",
    )
    FORGETTING_MEASURED = (
        "model_version.forgetting_measured",
        "What {label} forgot was measured: {forgot} of {tasks} tasks show it",
    )
    INTERPOLATION_REQUESTED = (
        "model_version.interpolation_requested",
        "{actor} asked to measure the way from the base model to {label}",
    )
    INTERPOLATION_MEASURED = (
        "model_version.interpolation_measured",
        "The way from the base model to {label} was measured at {shares} shares",
    )
    SHARE_STORED = (
        "model_version.share_stored",
        "{actor} started to make a version of {percent}% of the way to {label}, in run {run}",
    )
    LEARNING_CURVE_STARTED = (
        "learning_curve.started",
        "{actor} started {label} of {base_model}, dataset {dataset}",
    )
    LEARNING_CURVE_MEASURED = "learning_curve.measured", "{label} was measured: {points} points"
    PERSONAL_LAUNCHED = "personal_adapter.launched", "{actor} launched {label} of {owner} on top of {shared}"
    PERSONAL_MEASURED = (
        "personal_adapter.measured",
        "{label} of {owner} was measured against {shared} on {rows} held-out corrections",
    )
    PERSONAL_ON = "personal_adapter.on", "{actor} turned on {label} of {owner}"
    PERSONAL_OFF = "personal_adapter.off", "{actor} turned off {label} of {owner}"
    PERSONAL_DELETION_REQUESTED = (
        "personal_adapter.deletion_requested",
        "{actor} asked to delete {adapters} of {owner}",
    )
    PERSONAL_DELETED = "personal_adapter.deleted", "{adapters} of {owner} were deleted: {label}"
    TEAM_MADE = "team.made", "{actor} made the team {label}"
    TEAM_CHANGED = "team.changed", "{actor} changed the team {label}: {members}"
    TEAM_DELETED = "team.deleted", "{actor} deleted the team {label}"
    CALLER_NAMED = "api_caller.named", "{actor} let the adapter of {owner} answer {label}"
    CALLER_REMOVED = "api_caller.removed", "{actor} let the shared version answer {label}"
