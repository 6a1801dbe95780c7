"""`affectscope features`: feature sets, their weights and arrays, and extraction of whole corpora."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectscope.core.cli.common import AddressOption, AsJson, EngineOption, Workers, progress_bar, regret, remarks, show
from affectscope.core.cli.plugins import WithPlugins
from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.features.base import FeatureSet

features_app = typer.Typer(
    cls=WithPlugins, help="Feature sets of models: weights, your own arrays, extraction.", no_args_is_help=True
)


@features_app.command("list")
def features_list(as_json: AsJson = False) -> None:
    """List the feature sets with their sizes and sources, and where their weights or arrays are."""
    from affectscope.core.features.sets import FEATURE_SETS

    rows: list[dict[str, Any]] = []
    for name in FEATURE_SETS:
        features = FEATURE_SETS[name]
        shape = " x ".join(map(str, features.shape))
        row = {
            "name": name,
            "modality": features.modality,
            "dim": features.dim,
            "at hand": _at_hand(features),
            "source": features.source,
        }
        # A terminal has no room for more.
        rows.append(row | ({"shape": shape, "weights": features.weights.file if features.weights else ""} if as_json else {}))
    show(rows, as_json, "Feature sets")
    if not as_json:
        remarks.print(f"Also by size: {', '.join(FEATURE_SETS.families)}.", markup=False)


def _at_hand(features: FeatureSet) -> str:
    from affectscope.core.features.stored.arrays import source_of

    told = source_of(features.name)
    try:
        path = features.check(None)
    except UserError:
        if features.weights:
            return f"no (needs {features.weights.file})"
        return "no (needs arrays)" if features.needs == "arrays" else "no (no package)"
    places = [f"arrays in {told.path}"] if told else []
    places += [str(path)] if path else []
    return ", ".join(places) or "yes"


@features_app.command("weights")
def features_weights(
    name: Annotated[str, typer.Argument(help="A feature set that needs weights, such as vgg-face.")],
    path: Annotated[Path | None, typer.Argument(help="The file, or a folder saved by the transformers library.")] = None,
    forget: Annotated[bool, typer.Option(help="Unregister the weights.")] = False,
) -> None:
    """Register the weights of a feature set: the dashboard, the terminal and training use them from then on."""
    from affectscope.core.features import settings
    from affectscope.core.features.sets import FEATURE_SETS

    features = FEATURE_SETS[name]
    if features.weights is None:
        raise UserError(f"{name} needs no weights: `affectscope features list` names the sets that do.")
    if forget:
        settings.tell_weights(name, None)
        remarks.print(f"The weights of {name} are no longer registered.", markup=False)
        return
    if path is None:
        remarks.print(f"{name}: {features.check(None)}", markup=False, soft_wrap=True)
        return
    path = path.expanduser().absolute()
    if not path.exists():
        raise UserError(f"There is no {path}: {name} needs {features.weights.file} ({features.weights.origin}).")
    encoder = features.load(path)
    if encoder.dim != features.dim:
        raise UserError(f"{path.name} gives {encoder.dim} features a frame, and {name} has {features.dim}: give other weights.")
    settings.tell_weights(name, path)
    remarks.print(f"{name} uses {path} from now on.", markup=False, soft_wrap=True)


@features_app.command("arrays")
def features_arrays(
    name: Annotated[str, typer.Argument(help="A built-in feature set, such as emoca-50, or a new name for your own.")],
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of CLIP.npy, .npz or .pt files named by the clips' ids; or an HDF5 file, or a packed store."),
    ] = None,
    modality: Annotated[str, typer.Option(help="Modality of your own set: audio, visual, or another that a model uses.")] = "",
    dim: Annotated[int | None, typer.Option(help="Numbers per frame of your own set; by default, read from the arrays.")] = None,
    shape: Annotated[str, typer.Option(help="Shape of a frame that is not a vector: 3,96,96.")] = "",
    rate: Annotated[
        float, typer.Option(help="Frames per second; by default, the arrays' own times, or evenly spread over the clip.")
    ] = 0.0,
    key: Annotated[str, typer.Option(help="Name of the array in files with several.")] = "",
    forget: Annotated[bool, typer.Option(help="Unregister the arrays.")] = False,
) -> None:
    """Register precomputed arrays: clips are looked up in them by their id."""
    from affectscope.core.features import settings
    from affectscope.core.features.own import described

    if forget:
        settings.tell_arrays(name, None)
        remarks.print(f"The arrays of {name} are no longer registered.", markup=False)
        return
    if folder is None:
        raise UserError(f"Say where the arrays of {name} are: `affectscope features arrays {name} FOLDER`.")
    told = described(name, folder, modality, dim, _shape(shape), rate, key)
    settings.tell_arrays(name, told)
    remarks.print(f"{name} uses {told.path} from now on.", markup=False, soft_wrap=True)


def _shape(text: str) -> tuple[int, ...] | None:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"--shape {text} should be whole numbers with commas between, as 3,96,96.")
    return tuple(map(int, parts)) or None


@features_app.command("extract")
def features_extract(
    corpus: Annotated[str, typer.Argument(help="Name or folder of a corpus; `demo` for the bundled clips.")],
    features: Annotated[str, typer.Option(help="Feature sets, separated by commas; `affectscope features list` lists them.")],
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the store; by default, one in the cache.")] = None,
    weights: Annotated[list[str] | None, typer.Option(help="SET=PATH, the weights of a feature set.")] = None,
    engine: EngineOption = "processes",
    address: AddressOption = None,
    device: Annotated[str, typer.Option(help="Device for networks with weights of yours: cpu or cuda.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Extract the features of every clip into one store. Resumes if interrupted; broken clips are listed."""
    from affectscope.core.corpora import open_corpus
    from affectscope.core.features.bulk.run import extract_corpus
    from affectscope.core.features.stored.packed import default_folder

    opened = open_corpus(corpus)
    folder = out or default_folder(opened.name, opened.root)
    sets = [name.strip() for name in features.split(",") if name.strip()]
    with progress_bar() as report:
        outcome = extract_corpus(
            opened, sets, folder, workers, _paths(weights or []), engine, device, address,
            lambda done, total: report(f"Extracting {done} of {total}", done / total),
        )  # fmt: skip
    regret([f"{clip}: {why}" for clip, why in outcome.broken.items()])
    row = {
        "clips": outcome.clips, "extracted": outcome.extracted, "kept": outcome.kept, "broken": len(outcome.broken),
        "store": str(outcome.folder),
    }  # fmt: skip
    show([row], as_json, opened.name)
    if outcome.broken:
        remarks.print(f"Broken clips and why are listed in broken.csv of each feature set in {folder}.", markup=False)


@features_app.command("finetune")
def features_finetune(
    folder: Annotated[Path, typer.Argument(help="Folder with one subfolder of cropped faces per class.")],
    weights: Annotated[Path, typer.Option(help="Initial weights of VGG-Face.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output path of the weights, ending in .safetensors.")],
    epochs: Annotated[
        int, typer.Option(help="Number of epochs; the default is that of goncalves2022robust, like the learning rate.", min=1)
    ] = 50,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 7.5e-5,
    batch_size: Annotated[int, typer.Option(help="Batch size in faces.", min=1)] = 32,
    seed: Annotated[int, typer.Option(help="Random seed of order, dropout, and the tenth of the faces that is held out.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Fine-tune VGG-Face on labelled faces, as goncalves2022robust does on AffectNet; `vgg-face-unit` uses the weights."""
    from affectscope.core.training.faces import FaceConfig, finetune

    config = FaceConfig(epochs, learning_rate, batch_size, seed=seed, device=device)
    with progress_bar() as report:
        told = finetune(folder.expanduser(), weights.expanduser(), out.expanduser(), config, report)
    told.pop("config")
    show([told | {"classes": ", ".join(map(str, told["classes"]))}], as_json, str(out))  # type: ignore[call-overload]
    remarks.print(
        f"Run `affectscope features weights vgg-face-unit {out}` to use them for extraction.", markup=False, soft_wrap=True
    )


def _paths(given: list[str]) -> dict[str, Path]:
    found = {}
    for pair in given:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise UserError(f"--weights {pair} should read SET=PATH, such as vgg-face=vgg_face_dag.pth.")
        found[name] = Path(path).expanduser()
    return found
