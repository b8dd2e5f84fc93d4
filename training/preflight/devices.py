"""Whether a run uses all devices that it could."""

from core.wording import counted
from training.estimates import Estimate
from training.host.machine import Machine
from training.methods import Method, Recipe
from training.preflight.findings import PreflightFinding


def device_findings(
    method: Method, estimate: Estimate, recipe: Recipe, machine: Machine
) -> list[PreflightFinding]:
    possible = machine.hosts * machine.devices
    if estimate.processes == possible:
        return []
    if not method.divisible:
        return [
            PreflightFinding(
                "warn",
                f"{method.label} cannot be divided over several devices, so one of {possible} will train it.",
                "Choose another method to use all.",
                "method",
            )
        ]
    rows = counted(recipe.batch_size, "row")
    return [
        PreflightFinding(
            "warn",
            f"A step of {rows} cannot be divided evenly over {possible} devices, so {counted(estimate.processes, 'device')} will train it.",
            f"To use all, choose a multiple of {possible}.",
            "batch_size",
        )
    ]
