"""Walks through a configuration's jobs without Snakemake, in processes that share one device.

A job runs as soon as the files that it reads are there, and not at all if its own are. A model's random numbers start
from its id, so the number of processes changes no result.
"""

import multiprocessing
import queue
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from gpu.plan import Job, Plan
from gpu.work import Worker

EVERY = 10.0
"""Seconds between lines of progress."""


class Walked(NamedTuple):
    """How far a walk got."""

    is_whole: bool
    missing: list[str]
    """Settings that are not evaluated, as some of their children are not scored."""
    seconds: float


def walk(config: dict, folder: Path, *, workers: int, limit: float, say: Callable[[str], None]) -> Walked:
    """Trains, extracts, scores and evaluates all of a checked configuration, or what the time allows.

    Args:
        config: without hybrids and detectors.
        folder: gets results/ and, below it, logs/.
        workers: processes; 0 for none but this one.
        limit: seconds, after which running jobs are ended; their files are written whole or not at all.
        say: takes a line.
    """
    began = time.monotonic()
    plan = Plan(config, folder / "results")
    jobs = list(plan.jobs())
    waiting = [job for job in jobs if not job.is_done]
    say(f"{plan.models} models, {len(jobs)} jobs, {len(jobs) - len(waiting)} done before")
    if waiting:
        run = _in_processes if workers else _here
        waiting = run(waiting, config["device"], folder / "results" / "logs", workers, began + limit, say)
    worker, missing = Worker(config["device"], folder / "results" / "logs"), []
    for evaluate, summarise, unfinished in plan.evaluations():
        worker.run(evaluate)
        worker.run(summarise)
        missing += [f"{evaluate.wildcards['experiment']} {setting}" for setting in unfinished]
        say(f"{evaluate.wildcards['experiment']} evaluated, {time.monotonic() - began:.0f} s")
    return Walked(not waiting, missing, time.monotonic() - began)


def _here(
    jobs: list[Job], device: str, logs: Path, _: int, end: float, say: Callable[[str], None]
) -> list[Job]:
    """Runs jobs one by one, which come in an order in which they can; returns those left at the end."""
    worker = Worker(device, logs)
    for number, job in enumerate(jobs):
        if time.monotonic() > end:
            return jobs[number:]
        worker.run(job)
    return []


def _in_processes(
    jobs: list[Job], device: str, logs: Path, workers: int, end: float, say: Callable[[str], None]
) -> list[Job]:
    """Runs jobs in processes of their own, each when its files are there; returns those left at the end."""
    ended: queue.SimpleQueue = queue.SimpleQueue()
    done, began, told = Counter(), time.monotonic(), time.monotonic()
    of_rule = Counter(job.rule for job in jobs)
    waiting, running = list(jobs), {}
    pool = multiprocessing.get_context("spawn").Pool(workers, _start, (device, logs))
    try:
        while waiting or running:
            ready = [job for job in waiting if all(path.exists() for path in job.needs)]
            for job in ready[: workers - len(running)]:
                waiting.remove(job)
                running[job.name] = job
                pool.apply_async(
                    _run,
                    (job,),
                    callback=ended.put,
                    error_callback=lambda error, job=job: ended.put((job.name, error)),
                )
            if not running:
                raise RuntimeError(f"{waiting[0].name}: {waiting[0].needs[0]} is made by no job")
            try:
                name, error = ended.get(timeout=max(0.1, min(1.0, end - time.monotonic())))
            except queue.Empty:
                name = None
            if name is not None:
                if error is not None:
                    raise error
                done[running.pop(name).rule] += 1
            now = time.monotonic()
            if now - told >= EVERY or not (waiting or running):
                parts = ", ".join(f"{rule} {done[rule]}/{count}" for rule, count in of_rule.items())
                say(f"{now - began:.0f} s: jobs done: {parts}")
                told = now
            if now > end:
                say(f"the time is up; {len(waiting) + len(running)} jobs are left to another run")
                break
    finally:
        pool.terminate()
        pool.join()
    return [*running.values(), *waiting]


_worker: Worker | None = None


def _start(device: str, logs: Path) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = Worker(device, logs)


def _run(job: Job) -> tuple[str, None]:
    _worker.run(job)
    return job.name, None
