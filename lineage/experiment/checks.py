"""What no schema can say of a configuration: that its keys fit each other, and what there is."""

from lineage.data.sources.torchvision_names import VOC
from lineage.errors import UserError
from lineage.experiment.registered import architectures, similarities
from lineage.experiment.zoo import Zoo
from lineage.types.experiment import Experiment


def check_experiment(experiment: dict, where: str) -> None:
    """Refuses keys that refer to nothing, and numbers that do not fit together: a UserError names `where`."""
    name = experiment["network"]["name"]
    if ":" not in name and name not in architectures():
        known = ", ".join([*architectures(), "timm:<name>", "torchvision:<name>"])
        raise UserError(f"{where}.network.name: expected one of {known}, but got {name!r}")
    _check_roots(experiment, where)
    _check_training(experiment["roots"], experiment["roots"]["epochs"], f"{where}.roots")
    _check_task(experiment, where)
    settings = experiment["settings"]
    for name, setting in settings.items():
        _check_ways(setting, f"{where}.settings.{name}")
        _check_training(setting, min(setting["grid"]["epochs"]), f"{where}.settings.{name}")
        seen, ancestor = [name], setting["parents"]
        while ancestor != "roots":
            if ancestor not in settings:
                known = ", ".join(["roots", *settings])
                raise UserError(
                    f"{where}.settings.{name}.parents: expected one of {known}, but got {ancestor!r}"
                )
            if ancestor in seen:
                raise UserError(
                    f"{where}.settings.{name}.parents: expected a chain that ends at roots, "
                    f"but {' -> '.join([*seen, ancestor])} is a circle"
                )
            seen.append(ancestor)
            ancestor = settings[ancestor]["parents"]
        _check_candidates(experiment, name, f"{where}.settings.{name}")
        counts = setting["children"]
        counts = list(counts.values()) if isinstance(counts, dict) else [counts]
        if few := [count for count in counts if 0 < count < 3] or [0] * (not any(counts)):
            raise UserError(
                f"{where}.settings.{name}.children: expected at least 3 a parent, one each to train on, "
                f"to choose on and to test on, but got {few[0]}"
            )
    try:
        zoo = Zoo(Experiment.of(experiment))
    except UserError as error:
        raise UserError(f"{where}.{error}") from None
    similarity = experiment["similarity"]
    if unknown := [name for name in similarity["similarities"] if name not in similarities()]:
        raise UserError(
            f"{where}.similarity.similarities: expected some of {', '.join(similarities())}, "
            f"but got {unknown[0]!r}"
        )
    similarity["alphas"] = sorted(map(float, similarity["alphas"]))
    if "path" in similarity["approximations"] and similarity["alphas"][0] == 1:
        raise UserError(
            f"{where}.similarity.alphas: expected one below 1 for the approximation path, but got 1.0 alone: "
            "there every candidate has the child's own features"
        )
    _check_alignment(experiment, where)
    _check_detector(experiment, zoo, where)
    wanted = experiment["detector"].get("layers", [])
    tapped = similarity.get("layers", wanted)
    if untapped := [layer for layer in wanted if layer not in tapped]:
        raise UserError(
            f"{where}.detector.layers: expected some of similarity.layers, {', '.join(tapped)}, "
            f"but got {untapped[0]!r}"
        )


def _check_alignment(experiment: dict, where: str) -> None:
    """That no blocks of hybrids would be aligned; `false` is what is there without the key."""
    for part in ("similarity", "detector"):
        if not experiment[part].get("align", True):
            del experiment[part]["align"]
    hybrids = [name for name, setting in experiment["settings"].items() if "hybrid" in setting]
    if "align" in experiment["similarity"] and hybrids:
        raise UserError(
            f"{where}.similarity.align: expected false with hybrids, whose blocks come from several candidates, "
            f"but settings.{hybrids[0]} has some"
        )


def _check_candidates(experiment: dict, name: str, where: str) -> None:
    """That a setting's candidates are models that there are, its children's parents among them."""
    setting, known = experiment["settings"][name], ["roots", *experiment["settings"]]
    wanted = setting.get("candidates", [setting["parents"]])
    others = {f"among.{key}": sources for key, sources in setting.get("among", {}).items()}
    for key, sources in ({"candidates": wanted} | others).items():
        if unknown := [source for source in sources if source not in known]:
            raise UserError(f"{where}.{key}: expected some of {', '.join(known)}, but got {unknown[0]!r}")
        if setting["parents"] not in sources:
            raise UserError(
                f"{where}.{key}: expected {setting['parents']} among them, where the parents are, "
                f"but got {', '.join(sources)}"
            )
    if others and "hybrid" in setting:
        raise UserError(
            f"{where}.among: expected without hybrid, whose blocks are compared instead; drop one"
        )
    detector = experiment["detector"]
    if name in wanted and (detector["inputs"] or detector["unseen_parents"]):
        raise UserError(
            f"{where}.candidates: {name} itself, expected with detector.inputs [] and without unseen_parents: a "
            "detector's candidates are the same for all children, but no child is a candidate for itself"
        )


def _check_roots(experiment: dict, where: str) -> None:
    """That roots which are not trained from random weights have weights, and differ from each other."""
    network, roots = experiment["network"], experiment["roots"]
    for key in ("mean", "std"):
        if ("mean" in network) != ("std" in network) or len(network.get(key, [])) not in (
            0,
            network["channels"],
        ):
            raise UserError(
                f"{where}.network.{key}: expected mean and std, each of {network['channels']} channels, or neither"
            )
    still = not roots["epochs"] or roots.get("freeze") == "linear-probe"
    if "weights" not in roots:
        needing = [key for key in ("freeze", "match") if key in roots] + ["epochs"] * (not roots["epochs"])
        if needing:
            raise UserError(
                f"{where}.roots.{needing[0]}: expected roots.weights with {roots[needing[0]]!r}, but there are none"
            )
        return
    files = roots["weights"] if isinstance(roots["weights"], list) else [roots["weights"]]
    if still and roots["count"] > len(files):
        raise UserError(
            f"{where}.roots.count: expected at most {len(files)}, one for each of roots.weights, as their backbones "
            f"are not trained, but got {roots['count']}"
        )


def _check_task(experiment: dict, where: str) -> None:
    """That data fit the task; others than classification lack what their images, without a class each, can't give."""
    recipes = {"roots": experiment["roots"]} | {f"settings.{k}": v for k, v in experiment["settings"].items()}
    data_of = {name: recipe["data"] for name, recipe in (recipes | {"probe": experiment["probe"]}).items()}
    if "task" not in experiment["network"]:
        for name, data in data_of.items():
            if data["source"].removeprefix("torchvision:") in VOC.values():
                raise UserError(
                    f"{where}.{name}.data: expected images with a class each, but got {data['source']!r}; "
                    "name other data, or set network.task"
                )
        return
    keys = (
        *("images_per_class", "imbalance", "dropout", "early_stopping"),
        *("augmentation", "label_smoothing", "layer_decay"),
    )
    for name, recipe in recipes.items():
        if unfit := [key for key in keys if key in recipe]:
            raise UserError(f"{where}.{name}.{unfit[0]}: expected with classification only; drop it")
    if "asking" in experiment:
        raise UserError(f"{where}.asking: expected with classification only; drop it")
    task = experiment["network"]["task"]
    for name, data in data_of.items():
        fits = data["source"].startswith("parquet:") or data["source"] == f"torchvision:{VOC[task]}"
        if not fits or "classes" in data:
            raise UserError(
                f"{where}.{name}.data: expected parquet:<file> or torchvision:{VOC[task]} for {task}, without "
                f"classes, but got {data['source']!r}"
            )


def _check_training(recipe: dict, epochs: int, where: str) -> None:
    """That a warm-up ends before the shortest training does, and workers have something to do."""
    if (warm_up := recipe.get("warm_up", 0)) and warm_up >= epochs:
        raise UserError(f"{where}.warm_up: expected less than the epochs, {epochs}, but got {warm_up}")
    if "workers" in recipe and "augmentation" not in recipe:
        raise UserError(
            f"{where}.workers: expected with augmentation, which is what they do; drop it, or say which"
        )


def _check_ways(setting: dict, where: str) -> None:
    """That no two keys of a setting ask for different things."""
    if "images_per_class" in setting and "images" in setting["grid"]:
        raise UserError(f"{where}.images_per_class: expected without grid.images; drop one of them")
    if "lora" in setting and (others := [key for key in ("freeze", "l2_sp") if key in setting]):
        raise UserError(
            f"{where}.lora: expected without {others[0]}, as all but its products and the head is frozen; drop one"
        )


def _check_detector(experiment: dict, zoo: Zoo, where: str) -> None:
    """That there are as many candidates as the detector's conditions need."""
    detector = experiment["detector"]
    needed = max([2 if detector["no_parent"] else 1, 4 if detector["unseen_parents"] else 1])
    for setting in zoo.of_one_parent:
        there = zoo.most_candidates(setting)
        if there < needed:
            key = "unseen_parents" if detector["unseen_parents"] else "no_parent"
            raise UserError(
                f"{where}.detector.{key}: expected at least {needed} candidates, but settings.{setting} "
                f"has {there}; give more or turn it off"
            )
    most = max(map(zoo.most_candidates, zoo.settings))
    if more := [count for count in detector["candidates"] if count > most]:
        raise UserError(
            f"{where}.detector.candidates: expected at most {most}, as many as a setting has, but got {more[0]}"
        )
    if detector["transfer"] and "both" not in detector["inputs"]:
        raise UserError(
            f"{where}.detector.transfer: expected both among inputs, whose detectors are transferred, "
            f"but got {', '.join(detector['inputs'])}"
        )
    if unknown := sorted(set(detector["transfer_only"]) - set(zoo.of_one_parent)):
        raise UserError(
            f"{where}.detector.transfer_only: expected some of {', '.join(zoo.of_one_parent)}, but got {unknown[0]!r}"
        )
    if detector["transfer"] and not zoo.transfers:
        raise UserError(
            f"{where}.detector.transfer: expected two settings with the same parents, but there are none; "
            "add one or turn it off"
        )
