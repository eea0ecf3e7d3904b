"""Reads a run's configuration: checked against the closed schema, defaults filled in.

Imported at every parse of the Snakefile, so nothing heavy is imported here.
"""

import copy
import math
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from lineage.errors import UserError
from lineage.experiment.checks import check_experiment
from lineage.storage.packaged import packaged
from lineage.types.experiment import Experiment
from lineage.types.recipe import Recipe

SCHEMA = packaged("workflow/schemas/config.schema.yaml")

DATA_SETS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100",
             "camvid": None, "bccd": None}  # fmt: skip
"""Data sets that a configuration calls by name, whether from a folder of Parquet files or from torchvision."""

OF_MODELS = ("seed", "network", "roots", "block_by", "block_size")
"""Keys that with the settings say which models an experiment has."""

TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {
        "integer": lambda _, value: type(value) is int,
        "number": lambda _, value: type(value) in (int, float) and math.isfinite(value),
    }
)
"""JSON Schema's own would take 2.0 for an integer, and NaN for a number."""


def _filling_defaults(validator_class):
    """A validator class that also writes each missing key's default into the instance."""
    check_properties = validator_class.VALIDATORS["properties"]

    def fill_then_check(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if "default" in subschema:
                    default = subschema["default"]
                    instance.setdefault(key, default.copy() if hasattr(default, "copy") else default)
        yield from check_properties(validator, properties, instance, schema)

    return validators.extend(validator_class, {"properties": fill_then_check}, type_checker=TYPES)


def _told(error: ValidationError) -> str:
    """Says in one line what the schema expected at which key, and what came."""
    expected = {
        "additionalProperties": lambda: f"one of the keys {', '.join(error.schema.get('properties', {}))}",
        "required": lambda: f"the keys {', '.join(error.validator_value)}",
        "type": lambda: f"a value of type {error.validator_value}",
        "enum": lambda: f"one of {', '.join(map(str, error.validator_value))}",
        "pattern": lambda: f"text of the form {error.validator_value}",
        "minimum": lambda: f"at least {error.validator_value}",
        "exclusiveMinimum": lambda: f"more than {error.validator_value}",
        "maximum": lambda: f"at most {error.validator_value}",
        "exclusiveMaximum": lambda: f"less than {error.validator_value}",
        "minItems": lambda: f"at least {error.validator_value} item",
        "minProperties": lambda: f"at least {error.validator_value} entry",
        "anyOf": lambda: error.schema["description"],
    }.get(error.validator, lambda: f"{error.validator} {error.validator_value}")
    return f"expected {expected()}, but {error.message}"


def checked(config: dict, *, origin: str = "the configuration") -> dict:
    """The configuration with every default filled in.

    Args:
        config: what the YAML files and the command line gave; it is completed in place.
        origin: the files' names, for messages.

    Raises:
        UserError: naming the key, what was expected and what came.
    """
    _share_models(config, origin)
    validator = _filling_defaults(Draft202012Validator)(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    if error := best_match(validator.iter_errors(config)):
        key = ".".join(map(str, error.absolute_path)) or "top level"
        raise UserError(f"{origin}: {key}: {_told(error)}; config/README.md explains every key")
    for name, experiment in config["experiments"].items():
        recipes = [experiment["roots"], *experiment["settings"].values(), experiment["probe"]]
        for recipe in recipes:
            recipe["data"] = _located(recipe["data"], config.get("data"), f"{origin}: experiments.{name}")
        check_experiment(experiment, f"{origin}: experiments.{name}")
    return config


def experiments_of(config: dict) -> dict[str, Experiment]:
    """The experiments of a checked configuration, by name."""
    return {name: Experiment.of(experiment) for name, experiment in config["experiments"].items()}


def _share_models(config: dict, origin: str) -> None:
    """Copies what makes the models of an experiment into those whose `models_of` names it."""
    experiments = config.get("experiments")
    sharing = {
        name: experiment["models_of"]
        for name, experiment in (experiments.items() if isinstance(experiments, dict) else ())
        if isinstance(experiment, dict) and isinstance(experiment.get("models_of"), dict)
    }
    for name, shared in sharing.items():
        where, experiment = f"{origin}: experiments.{name}", experiments[name]
        if own := [key for key in (*OF_MODELS, "settings") if key in experiment]:
            raise UserError(f"{where}.{own[0]}: expected without it, as models_of says which models; drop it")
        others = [owner for owner in experiments if owner not in sharing]
        if shared.get("experiment") not in others:
            raise UserError(
                f"{where}.models_of.experiment: expected one of {', '.join(others) or 'none'}, which make models, "
                f"but got {shared.get('experiment')!r}"
            )
        theirs = experiments[shared["experiment"]]
        settings = theirs.get("settings", {})
        if unknown := [setting for setting in shared.get("settings", []) if setting not in settings]:
            raise UserError(
                f"{where}.models_of.settings: expected some of {', '.join(settings)}, but got {unknown[0]!r}"
            )
        experiment |= copy.deepcopy({key: theirs[key] for key in OF_MODELS if key in theirs})
        wanted = shared.get("settings", settings)
        experiment["settings"] = copy.deepcopy({setting: settings[setting] for setting in wanted})


def _located(data: dict, folder: str | None, where: str) -> dict:
    """What `named:` data are: `<name>-<split>.parquet` of a folder, or without one torchvision's, downloaded."""
    scheme, _, name = data["source"].partition(":")
    if scheme != "named":
        return data
    if name not in DATA_SETS:
        raise UserError(f"{where}: named data: expected one of {', '.join(DATA_SETS)}, but got {name!r}")
    if folder is None and DATA_SETS[name] is None:
        raise UserError(
            f"{where}: named:{name}: torchvision has none; give the folder of its Parquet files as `data`"
        )
    if folder is None:
        return data | {"source": f"torchvision:{DATA_SETS[name]}", "download": True}
    return data | {"source": f"parquet:{Path(folder, name)}-{{split}}.parquet"}


def weight_files(recipe: Recipe) -> list[str]:
    """The file that a root starts from, if there is one, for a workflow to track.

    Raises:
        UserError: if it is missing.
    """
    path = recipe.weights or "hub"
    if path == "hub" or path.startswith("hub:"):
        return []
    if not Path(path).expanduser().is_file():
        raise UserError(f"{path}: expected a file of weights, but there is none; correct roots.weights")
    return [str(Path(path).expanduser())]
