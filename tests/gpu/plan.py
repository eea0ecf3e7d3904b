"""The jobs of a configuration, as the workflow's rules make them, for a walk without Snakemake."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lineage.experiment.params import evaluated_setting
from lineage.experiment.zoo import Model, Zoo
from lineage.types.experiment import Experiment

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"


def code_of_all() -> str:
    """Digest of all the code that there is, 16 hex digits: which of it a script reaches needs grimp to say."""
    files = sorted([*(ROOT / "lineage").rglob("*.py"), *SCRIPTS.glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


class Job(NamedTuple):
    """One run of one of the workflow's scripts."""

    rule: str
    wildcards: dict[str, str]
    input: dict[str, str | list[str]]
    output: dict[str, str]
    params: dict

    @property
    def name(self) -> str:
        """Its experiment, rule and the rest: where its logs lie."""
        experiment, *others = self.wildcards.values()
        return "/".join([experiment, self.rule, *others])

    @property
    def needs(self) -> list[Path]:
        """The files that it reads."""
        lists = (value if isinstance(value, list) else [value] for value in self.input.values())
        return [Path(path) for paths in lists for path in paths]

    @property
    def is_done(self) -> bool:
        """Whether it has left all its files."""
        return all(Path(path).exists() for path in self.output.values())


class Plan:
    """The jobs of a checked configuration without hybrids or detectors.

    Args:
        config: the configuration.
        results: the folder of results.
    """

    def __init__(self, config: dict, results: Path):
        self._config, self._results = config, results
        self._experiments = config["experiments"]
        self._zoos = {name: Zoo(Experiment.of(experiment)) for name, experiment in self._experiments.items()}
        self._common = {"device": config["device"], "threads": config["threads"], "code": code_of_all()}
        self.models = sum(1 for _ in self._own_models())

    def jobs(self) -> Iterator[Job]:
        """All jobs that train, extract and score; those that others wait for come first."""
        for name in self._experiments:
            if "models_of" not in self._experiments[name]:
                yield from self._pretraining(name)
        for setting in dict.fromkeys(setting for zoo in self._zoos.values() for setting in zoo.settings):
            for name, zoo in self._zoos.items():
                if setting in zoo.settings and "models_of" not in self._experiments[name]:
                    yield from self._finetuning(name, setting)
        for name, zoo in self._zoos.items():
            params = {"probe": self._experiments[name]["probe"]}
            yield self._job("probe", name, {}, {}, {"probe": self._at(name, "probe.h5")}, params)
            yield self._features(name, {}, zoo.roots, self._at(name, "features/roots/features.h5"))
            for setting in zoo.settings:
                for wildcards, models in self._blocks(name, setting):
                    where = "/".join(wildcards.values())
                    path = self._results / name / "features" / where / "features.h5"
                    yield self._features(name, wildcards, models, str(path))
        fewest_candidates_first = sorted(
            ((name, setting) for name, zoo in self._zoos.items() for setting in zoo.settings),
            key=lambda place: self._zoos[place[0]].most_candidates(place[1]),
        )
        for name, setting in fewest_candidates_first:
            yield from self.scoring(name, setting)

    def scoring(self, name: str, setting: str) -> Iterator[Job]:
        """The jobs that score a setting's blocks."""
        experiment, zoo = self._experiments[name], self._zoos[name]
        candidates = zoo.candidates(setting)
        for wildcards, children in self._blocks(name, setting):
            ids = [child.id for child in children]
            files = {
                "probe": self._at(name, "probe.h5"),
                "child_weights": self._files("weights", name, ids)[0],
                "child_features": self._files("features", name, ids)[0],
                "candidate_weights": self._files("weights", name, candidates),
                "candidate_features": self._files("features", name, candidates),
            }
            params = {
                "children": sorted(ids),
                "candidates": candidates,
                "similarity": experiment["similarity"],
            }
            output = {"scores": self._at(name, "similarity", *wildcards.values(), "scores.parquet")}
            yield self._job("similarity", name, wildcards, files, output, params)

    def evaluations(self) -> Iterator[tuple[Job, Job, list[str]]]:
        """Jobs that evaluate and summarise each experiment's scored settings, and the settings that are not whole."""
        for name, zoo in self._zoos.items():
            experiment = Experiment.of(self._experiments[name])
            jobs = {setting: list(self.scoring(name, setting)) for setting in zoo.settings}
            whole = [setting for setting in jobs if all(job.is_done for job in jobs[setting])]
            if not whole:
                continue
            scores = [job.output["scores"] for setting in whole for job in jobs[setting]]
            params = {
                "settings": {
                    setting: evaluated_setting(zoo, experiment, setting).plain() for setting in whole
                },
                "generations": {
                    child.id: child.generation for setting in whole for child in zoo.children(setting)
                },
            }
            made = {
                table: self._at(name, f"{table}.parquet")
                for table in ("outcomes", "results", "curves", "edges")
            }
            small = {
                table: self._at(name, f"{table}.parquet")
                for table in ("pairs", "history", "calibration", "stages", "run")
            }
            none = {"predictions": [], "audits": [], "tree": [], "answers": [], "blocks": []}
            evaluate = self._job("evaluate", name, {}, {"scores": scores} | none, made, params)
            read = {"outcomes": made["outcomes"], "scores": scores, "predictions": [], "histories": []}
            summarise = self._job(
                "summarise", name, {}, read, small, {"configuration": self._experiments[name]}
            )
            yield evaluate, summarise, [setting for setting in jobs if setting not in whole]

    def _pretraining(self, name: str) -> Iterator[Job]:
        for root in self._zoos[name].roots:
            output = self._trained(name, "pretrain", root.id)
            yield self._job("pretrain", name, {"root": root.id}, {}, output, {"model": root.plain()})

    def _finetuning(self, name: str, setting: str) -> Iterator[Job]:
        for wildcards, children in self._blocks(name, setting):
            sources = self._files("weights", name, sorted({child.parent for child in children}))
            output = self._trained(name, "finetune", *wildcards.values())
            params = {"children": [child.plain() for child in children]}
            yield self._job("finetune", name, wildcards, {"sources": sources}, output, params)

    def _features(self, name: str, wildcards: dict, models: list[Model], path: str) -> Job:
        experiment = self._experiments[name]
        ids = sorted(model.id for model in models)
        params = {"models": ids, "pool": experiment["similarity"]["pool"]}
        params |= {"layers": experiment["similarity"].get("layers", [])}
        files = {"probe": self._at(name, "probe.h5"), "weights": self._files("weights", name, ids)}
        return self._job("features", name, wildcards or {"roots": "roots"}, files, {"features": path}, params)

    def _job(self, rule: str, name: str, wildcards: dict, files: dict, output: dict, params: dict) -> Job:
        params = {"network": self._experiments[name]["network"]} | params
        return Job(rule, {"experiment": name} | wildcards, files, output, self._common | params)

    def _blocks(self, name: str, setting: str) -> Iterator[tuple[dict[str, str], list[Model]]]:
        zoo = self._zoos[name]
        for group, block in zoo.blocks(setting):
            wildcards = {"setting": setting, "parent": group, "block": str(block)}
            yield wildcards, zoo.children(setting, group, block)

    def _files(self, artifact: str, name: str, ids: list[str]) -> list[str]:
        """The files of weights or features that hold these models, each once."""
        zoo, files = self._zoos[name], []
        maker = self._experiments[name].get("models_of", {}).get("experiment", name)
        for model in map(zoo.model, ids):
            block = (model.setting, zoo.group_of(model), str(zoo.block_of(model)))
            if artifact == "weights":
                place = ("pretrain", model.id) if model.parent is None else ("finetune", *block)
                files.append(self._at(maker, *place, "weights.h5"))
            else:
                place = ("roots",) if model.parent is None else block
                files.append(self._at(name, "features", *place, "features.h5"))
        return list(dict.fromkeys(files))

    def _trained(self, name: str, *place: str) -> dict[str, str]:
        return {
            "weights": self._at(name, *place, "weights.h5"),
            "models": self._at(name, *place, "models.parquet"),
        }

    def _at(self, *place: str) -> str:
        return str(self._results.joinpath(*place))

    def _own_models(self) -> Iterator[str]:
        for name, zoo in self._zoos.items():
            if "models_of" not in self._experiments[name]:
                yield from (root.id for root in zoo.roots)
                yield from (child.id for setting in zoo.settings for child in zoo.children(setting))
