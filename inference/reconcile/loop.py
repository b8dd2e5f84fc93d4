"""The engines process: a loop that makes the served versions equal to those wanted in the database.

One process at a time has a PostgreSQL advisory lock; a second one waits and takes over when the first has ended.
Engines end with the process that started them. An engine that kept running is found by its note. It is adopted if it is
healthy, else ended.
"""

import logging
import threading
import time
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from core.errors import ExpectedError
from core.host.disks import storage_error
from core.host.sockets import socket_dir
from core.text import lines_of
from inference.engines import BACKENDS, EngineAway, EngineRefused, EngineSpec
from inference.engines import process as processes
from inference.engines.process import EngineProcess
from inference.models import Deployment, Engine, Route
from inference.queries import backend_of, is_answering, ways_back
from inference.reconcile.attached import EngineWatch, look_for
from inference.reconcile.checking import Checking, OutOfService, life_of, of_adopted
from inference.reconcile.loading import NoRoom, bring_in_step, note_without_engine, verified_path
from inference.reconcile.marking import finish_marks, mark_answers, take_out_of_service
from inference.reconcile.one_at_a_time import OneAtATime
from inference.reconcile.plan import EnginePlan, make_plan
from inference.reconcile.rows import rows_for, set_status
from inference.services import deployments as notes
from inference.services.writing import end_abandoned
from training.models import ModelVersion

log = logging.getLogger(__name__)
Status = Engine.Status

TICK_SECONDS = 1.0
# After a failure: seconds to wait before the next start, by the number of failures in a row.
BACKOFF = (1, 2, 5, 10, 20, 40, 60)
FORGIVEN_AFTER = 120.0  # seconds up after which earlier failures no longer count
START_SECONDS = 900.0  # a large model on a slow disk
MISSES = 6  # health checks in a row, 5 s each, before an engine that does not respond is ended
SWEEP_EVERY = 60.0
STOP_GRACE = 8.0
QUIET_SECONDS = 60.0  # a restart that is not urgent waits this long for unfinished answers
ATTACHED_ADVICE = (
    "Start it again without adapters; on a CPU with --max-loras {slots} or more, so that one slot always stays empty. "
    "It serves again when a check has passed."
)


class Reconciler(OneAtATime):
    def __init__(self, stop: threading.Event | None = None) -> None:
        super().__init__()
        self.stop = stop or threading.Event()
        self.processes: dict[int, EngineProcess] = {}
        self.watches: dict[int, EngineWatch] = {}
        self.folder = settings.STATE_DIR / "run" / "engines"
        self._swept = 0.0

    # --- the loop ------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Works until `stop` is set. Engines that it started have ended when it returns."""
        recovered = False
        try:
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    if self._hold_lock():
                        if not recovered:
                            self.recover()
                            recovered = True
                        self.tick()
                    elif recovered:
                        log.error(
                            "Another engines process took over while the database was offline; this one ends."
                        )
                        return
                except (OperationalError, InterfaceError, psycopg.Error) as error:
                    # Engines continue to serve. Changes are applied when the database is back.
                    log.warning(
                        "The database does not respond: %s",
                        lines_of(str(error))[0] if str(error) else error,
                    )
                    self._drop_lock()
                    connection.close()
                    self.stop.wait(2.0)
                except Exception:
                    log.exception("A pass failed; the next one tries again")
                    self.stop.wait(2.0)
                self.stop.wait(max(0.05, TICK_SECONDS - (time.monotonic() - began)))
        finally:
            self.shut_down()

    def tick(self) -> None:
        """One pass: rows for new versions, engines started or stopped, adapters loaded or unloaded."""
        for version in (
            ModelVersion.objects.filter(deployment=None, project__archived_at=None)
            .exclude(status=ModelVersion.Status.REJECTED)
            .order_by("pk")
            .select_related("project", "base_model")
        ):
            # The event does this too. Doing it here makes serving independent of the broker.
            notes.ensure_deployment(by=None, version=version)
        deployments = list(
            Deployment.objects.select_related(
                "engine",
                "version__artifact",
                "version__project",
                "version__training_run",
                "version__base_model__artifact",
            ).order_by("pk")
        )
        needed = [
            deployment
            for deployment in deployments
            if deployment.wanted == Deployment.Wanted.LOADED
            and deployment.version.project.archived_at is None
            and deployment.version.status != ModelVersion.Status.REJECTED
        ]
        routes = list(Route.objects.all())
        plan = make_plan(
            needed,
            live={route.version_id for route in routes},
            previous={back.target.pk for back in ways_back(routes).values() if back.target},
            max_full=settings.ENGINE_MAX_FULL,
            max_adapters=settings.ENGINE_MAX_LORAS,
            max_transformers=settings.ENGINE_MAX_TRANSFORMERS,
        )
        engines = rows_for(plan)
        Engine.objects.update(heartbeat_at=timezone.now())
        for engine in engines:
            self._step_engine(engine, plan)
        self._step_deployments(deployments, engines, plan)
        if time.monotonic() - self._swept > SWEEP_EVERY:
            self._swept = time.monotonic()
            end_abandoned()
            finish_marks()

    def _watch(self, engine: Engine) -> EngineWatch:
        return self.watches.setdefault(engine.pk, EngineWatch())

    # --- engines -------------------------------------------------------------------------------------------
    def _step_engine(self, engine: Engine, plan: EnginePlan) -> None:
        needed = (
            engine.version_id in plan.full
            if engine.version_id
            else (engine.backend, engine.base_model_id) in plan.bases
        )
        if settings.ENGINE_URLS:
            look_for(engine, needed, self._watch(engine))
            return
        process = self.processes.get(engine.pk)
        watch = self._watch(engine)
        if not needed:
            if process is not None or engine.status != Status.STOPPED:
                self._stop_engine(engine, "")
            return
        if process is None:
            if time.monotonic() >= watch.not_before:
                try:
                    self._start(engine, self._spec(engine, plan))
                except EngineRefused as error:
                    self._failed(engine, error.message)
            return
        if not process.alive():
            self._crashed(engine, process, f"Its process ended. {process.last_words()}")
        elif engine.status == Status.STARTING:
            self._while_starting(engine, process, watch)
        elif engine.status == Status.UP:
            self._while_up(engine, process, watch)

    def _spec(self, engine: Engine, plan: EnginePlan) -> EngineSpec:
        version, base = engine.version, engine.base_model
        weights = version.artifact if version else base.artifact
        assert weights is not None  # a ready base model has one (database constraint)
        need = None if version else plan.bases[engine.backend, base.pk]
        return EngineSpec(
            name=engine.name,
            model_path=verified_path(weights),
            served_name=version.served_name if version else base.slug,
            context_length=base.context_length or settings.ENGINE_MAX_MODEL_LEN,
            adapters=version is None,
            max_lora_rank=need.rank if need else 0,
            gpu=_has_gpu(),
            prompt_embeds=bool(need and need.prompt_embeds),
        )

    def _start(self, engine: Engine, spec: EngineSpec) -> None:
        backend = BACKENDS[engine.backend]
        watch = self._watch(engine)
        taken: set[int | None] = {process.port for process in self.processes.values()}
        taken |= set(
            Engine.objects.exclude(pk=engine.pk)
            .filter(port__isnull=False, attached=False)
            .values_list("port", flat=True)
        )
        try:
            port = processes.free_port(settings.ENGINE_PORTS_FROM, taken)
            process = processes.start(
                name=engine.name,
                command=backend.command(spec, port),
                variables=backend.environment(spec),
                port=port,
                folder=self.folder,
                scratch=socket_dir(settings.STATE_DIR) / f"e{engine.pk}",
                details={"options": backend.options(spec)},
            )
        except OSError as error:
            self._failed(engine, f"It could not be started: {storage_error(error) or error}")
            return
        self.processes[engine.pk] = process
        watch.began, watch.misses = time.monotonic(), 0
        watch.checking = Checking()
        kept = {key: engine.options[key] for key in ("start_seconds",) if key in engine.options}
        set_status(
            engine=engine,
            status=Status.STARTING,
            error=engine.error,
            url=f"http://{settings.ENGINE_HOST}:{port}",
            port=port,
            pid=process.pid,
            attached=False,
            adapter_loads=0,
            options=backend.options(spec) | kept,
        )
        log.info("Engine %s starts on port %s (process %s)", engine.name, port, process.pid)

    def _answers(self, engine: Engine) -> bool:
        """Whether it is healthy and the right process; another program may use the port."""
        backend = BACKENDS[engine.backend]
        if not backend.healthy(engine.url):
            return False
        expected = engine.version.served_name if engine.version else engine.base_model.slug
        try:
            return any(model.name == expected for model in backend.served(engine.url))
        except (EngineAway, EngineRefused):
            return False

    def _while_starting(self, engine: Engine, process: EngineProcess, watch: EngineWatch) -> None:
        if self._answers(engine):
            took = time.monotonic() - watch.began
            watch.up_at = time.monotonic()
            set_status(
                engine=engine, status=Status.UP, options={**engine.options, "start_seconds": round(took, 1)}
            )
            log.info("Engine %s is up after %.0f s", engine.name, took)
        elif time.monotonic() - watch.began > START_SECONDS:
            self._crashed(
                engine, process, f"It did not respond within {START_SECONDS / 60:.0f} minutes of its start."
            )

    def _while_up(self, engine: Engine, process: EngineProcess, watch: EngineWatch) -> None:
        if BACKENDS[engine.backend].healthy(engine.url):
            watch.misses = 0
            if watch.failures and time.monotonic() - watch.up_at > FORGIVEN_AFTER:
                watch.failures = 0
        else:
            watch.misses += 1
            if watch.misses >= MISSES:
                self._crashed(engine, process, f"It did not respond to {MISSES} health checks in a row.")
                return

    def _restart_when_quiet(self, engine: Engine, reason: str) -> None:
        """Restarts it when no answer is being written, or after waiting too long for that."""
        watch, now = self._watch(engine), time.monotonic()
        if now - watch.restart_asked > QUIET_SECONDS / 2:
            watch.restart_by = now + QUIET_SECONDS  # the first time, or after it was not needed for a while
        watch.restart_asked = now
        if now >= watch.restart_by or not is_answering(engine):
            log.info("Engine %s: %s", engine.name, reason)
            self._stop_engine(engine, reason, Status.WANTED)

    def _out_of_service(self, engine: Engine, error: OutOfService) -> None:
        """It gets no more requests; its doubtful answers are marked; it restarts and is checked before it serves."""
        life, watch = life_of(engine), self._watch(engine)
        if error.result is None:
            check = None
            set_status(
                engine=engine, status=Status.DOWN, error=error.reason, restarted=not engine.attached,
                pid=None, port=None, url="",
            )  # fmt: skip
        else:
            advice = ATTACHED_ADVICE.format(slots=settings.ENGINE_MAX_LORAS + 1) if engine.attached else ""
            check = take_out_of_service(engine=engine, process=life, result=error.result, advice=advice)
        log.error("Engine %s is taken out of service: %s", engine.name, error.reason)
        watch.checking = Checking()
        self._wait_before_start(watch)
        process = self.processes.pop(engine.pk, None)
        if process is not None:
            process.stop(grace=2.0)
        if check is not None:
            mark_answers(check=check)

    def _crashed(self, engine: Engine, process: EngineProcess, reason: str) -> None:
        process.stop(grace=2.0)  # its child processes may still run
        self.processes.pop(engine.pk, None)
        self._failed(engine, reason)

    def _failed(self, engine: Engine, reason: str) -> None:
        wait = self._wait_before_start(self._watch(engine))
        log.warning("Engine %s is down: %s Next start in %s s.", engine.name, reason, wait)
        set_status(
            engine=engine, status=Status.DOWN, error=reason, restarted=True, pid=None, port=None, url=""
        )

    def _wait_before_start(self, watch: EngineWatch) -> int:
        """Seconds until the next start, longer after each failure in a row."""
        wait = BACKOFF[min(watch.failures, len(BACKOFF) - 1)]
        watch.failures += 1
        watch.not_before = time.monotonic() + wait
        return wait

    def _stop_engine(self, engine: Engine, reason: str, status: str = Status.STOPPED) -> None:
        process = self.processes.pop(engine.pk, None)
        if process is not None:
            process.stop(grace=STOP_GRACE)
        set_status(engine=engine, status=status, error=reason, pid=None, port=None, url="")

    # --- deployments ---------------------------------------------------------------------------------------
    def _step_deployments(
        self, deployments: list[Deployment], engines: list[Engine], plan: EnginePlan
    ) -> None:
        bases = {
            (engine.backend, engine.base_model_id): engine for engine in engines if engine.version_id is None
        }
        own = {engine.version_id: engine for engine in engines if engine.version_id is not None}
        per_engine: dict[int, list[Deployment]] = {}
        for deployment in deployments:
            version = deployment.version
            full = version.kind == ModelVersion.Kind.FULL
            engine = own.get(version.pk) if full else bases.get((backend_of(version), version.base_model_id))
            placed = engine is not None and deployment.pk not in plan.waiting
            if engine is not None and engine.status == Status.UP:
                per_engine.setdefault(engine.pk, []).append(deployment)
                continue
            try:
                note_without_engine(
                    deployment, engine if placed else None, plan.waiting.get(deployment.pk, "")
                )
            except ExpectedError as error:
                log.info("Deployment %s: %s", deployment.pk, error)
        for engine in engines:
            if engine.pk in per_engine:
                self._bring_in_step(engine, per_engine[engine.pk], plan)

    def _bring_in_step(self, engine: Engine, deployments: list[Deployment], plan: EnginePlan) -> None:
        try:
            bring_in_step(engine, deployments, self._watch(engine).checking, plan.waiting)
        except EngineAway as error:
            log.warning("Engine %s did not respond: %s", engine.name, error)
        except NoRoom as error:
            self._restart_when_quiet(engine, str(error))
        except OutOfService as error:
            self._out_of_service(engine, error)

    # --- start and end -------------------------------------------------------------------------------------
    def recover(self) -> None:
        """Handles the engines of an earlier engines process: adopts healthy ones, ends the rest, corrects the rows."""
        left = processes.left_behind(self.folder)
        for engine in Engine.objects.select_related("base_model", "version").exclude(status=Status.STOPPED):
            if engine.attached:
                continue
            process = left.pop(engine.name, None)
            if process is not None and process.alive() and not settings.ENGINE_URLS:
                engine.url, engine.port = f"http://{settings.ENGINE_HOST}:{process.port}", process.port
                if self._answers(engine) and _counts_loads(engine):
                    self.processes[engine.pk] = process
                    watch = self._watch(engine)
                    watch.up_at, watch.checking = time.monotonic(), of_adopted(engine)
                    set_status(
                        engine=engine, status=Status.UP, url=engine.url, port=process.port, pid=process.pid
                    )
                    log.info(
                        "Engine %s (process %s) was left running and is adopted", engine.name, process.pid
                    )
                    continue
            if process is not None:
                process.stop(grace=STOP_GRACE)
            set_status(
                engine=engine,
                status=Status.WANTED,
                error="The engines process was restarted.",
                pid=None,
                port=None,
                url="",
            )
        for process in left.values():
            process.stop(grace=STOP_GRACE)

    def shut_down(self) -> None:
        """Ends all engines of this process at once and updates their rows."""
        held = dict(self.processes)
        for watch in self.watches.values():
            watch.checking.cancel()
        for process in held.values():
            process.ask_to_stop()
        for process in held.values():
            process.stop(grace=STOP_GRACE)
        self.processes.clear()
        try:
            for engine in Engine.objects.filter(pk__in=held):
                set_status(engine=engine, status=Status.STOPPED, pid=None, port=None, url="")
            for deployment in Deployment.objects.select_related("version", "engine").filter(
                engine_id__in=held, status__in=[Deployment.Status.LOADED, Deployment.Status.LOADING]
            ):
                notes.note_waiting(deployment=deployment, engine=deployment.engine)
        except (OperationalError, InterfaceError, ExpectedError) as error:
            log.warning("The rows of stopped engines could not be written: %s", error)
        finally:
            self._drop_lock()


def _counts_loads(engine: Engine) -> bool:
    """Whether it was started by a program version that limits the number of loaded adapters."""
    return engine.version_id is not None or "adapter_loads" in engine.options


def _has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded here; torch itself stays out of this process."""
    return Path("/proc/driver/nvidia/version").exists()
