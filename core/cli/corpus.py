"""`affectscope corpus`: build, add and inspect corpora."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from affectscope.core.cli.common import AsJson, Workers, output, pairs, progress_bar, regret, remarks, show
from affectscope.core.cli.plugins import WithPlugins
from affectscope.core.errors import UserError

corpus_app = typer.Typer(cls=WithPlugins, help="Build, add and inspect corpora.", no_args_is_help=True)


@corpus_app.command("build")
def corpus_build(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder for clips, ground truth and labels.")],
    name: Annotated[str, typer.Argument(help="What to build: `demo`, `planted` or `shortcut`.")] = "demo",
    clips: Annotated[int, typer.Option(help="Number of clips; for a shortcut, the number of clips to which it is added.")] = 720,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same corpus.")] = 1,
    identities: Annotated[
        Literal["train", "held-out"], typer.Option(help="`held-out` uses the speakers of the bundled clips.")
    ] = "train",
    over: Annotated[str, typer.Option(help="For a shortcut: the demo corpus to which it is added, by name or path.")] = "demo",
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere",
            help="For a shortcut: make each clip with either cue and with none, for `exam`; otherwise, the cue "
            "depends on the class.",
        ),
    ] = False,
    workers: Workers = None,
) -> None:
    """Build a corpus with known ground truth: demo, planted (one cue), or shortcut (a mark, a beep). Resumes if interrupted."""
    with progress_bar() as report:

        def progress(done: int, total: int) -> None:
            report("Making clips", done / max(total, 1))

        if name == "shortcut":
            from affectscope.core.corpora import open_corpus
            from affectscope.core.corpora.demo import shortcut

            shortcut.build(open_corpus(over), out, clips, seed, everywhere=everywhere, workers=workers, progress=progress)
        elif name == "planted":
            from affectscope.core.corpora.demo import planted

            planted.build(out, clips, seed, identities=identities, workers=workers, progress=progress)
        elif name == "demo":
            from affectscope.core.corpora.demo import build

            build(out, clips, seed, identities=identities, workers=workers, progress=progress)
        else:
            raise UserError(f"There is no corpus {name!r} to build: choose demo, planted or shortcut.")
    remarks.print(f"The corpus is in {out}.", markup=False)


CorpusName = Annotated[
    str, typer.Argument(help="An added corpus by name, the path of a corpus, or `demo` for the bundled clips.")
]
Kind = Annotated[str, typer.Option(help="The kind of corpus, if it can't be detected; docs/corpora.md lists the kinds.")]
Choices = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the kind of corpus; may be repeated."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="NAME=COLUMN", help="Which column of the table is the label, speaker, …; may be repeated."),
]


@corpus_app.command("add")
def corpus_add(
    name: Annotated[str, typer.Argument(help="Name of the corpus in other commands.")],
    path: Annotated[Path, typer.Argument(help="Its folder, or its table.")],
    kind: Kind = "",
    option: Choices = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Add a corpus under a name, and report its contents and what is missing."""
    from affectscope.core.corpora.describe import described
    from affectscope.core.corpora.known import Known, check_name, remember
    from affectscope.core.corpora.readers import read, recognise

    check_name(name)
    path = path.expanduser().resolve()
    kind = kind or recognise(path)
    options = pairs(option) | pairs(columns)
    content = described(read(path, kind, options, name), durations=False)
    remember(name, Known(str(path), kind, options))
    _tell(content, as_json)
    remarks.print(f"{name} is added: use the name wherever a corpus is expected.", markup=False)


@corpus_app.command("list")
def corpus_list(as_json: AsJson = False) -> None:
    """List the added corpora."""
    from affectscope.core.corpora.known import known

    rows = [
        {
            "name": name,
            "kind": corpus.kind,
            "path": corpus.path,
            "options": " ".join(f"{k}={v}" for k, v in corpus.options.items()),
        }
        for name, corpus in known().items()
    ]
    show(rows, as_json, "Corpora")


@corpus_app.command("remove")
def corpus_remove(name: Annotated[str, typer.Argument(help="Name of an added corpus.")]) -> None:
    """Remove a corpus from the list. Its files are kept."""
    from affectscope.core.corpora.known import forget

    forget(name)
    remarks.print(f"{name} is removed from the list; its files are kept.", markup=False)


@corpus_app.command("describe")
def corpus_describe(
    name: CorpusName = "demo",
    kind: Kind = "",
    option: Choices = None,
    columns: Columns = None,
    durations: Annotated[bool, typer.Option(help="Read durations from the media if no table gives them.")] = True,
    as_json: AsJson = False,
) -> None:
    """Describe a corpus: clips, classes, speakers, splits, durations, details of its kind, and what is missing."""
    from affectscope.core.corpora.describe import describe

    options = pairs(option) | pairs(columns)
    with progress_bar() as report:
        content = describe(name, kind, options, durations, lambda done, total: report("Reading lengths", done / total))
    _tell(content, as_json)


def _tell(content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return
    classes = content.get("classes") or {}
    everything = {"label": "all", "clips": content.get("clips", 0), "speakers": content.get("speakers", 0)}
    show([*({"label": label, **counts} for label, counts in classes.items()), everything], False, content["corpus"])
    for key, value in content.items():
        if key not in ("corpus", "classes", "clips", "speakers", "missing") and value not in ({}, []):
            output.print(f"{key.replace('_', ' ')}: {_line(value)}", markup=False, highlight=False, soft_wrap=True)
    for sentence in content.get("missing", []):
        remarks.print(f"Note: {sentence}", markup=False, soft_wrap=True)


def _line(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(
        f"{k.replace('_', ' ')} ({_line(v)})" if isinstance(v, dict) else f"{k.replace('_', ' ')} {_line(v)}"
        for k, v in value.items()
    )


@corpus_app.command("check")
def corpus_check(
    name: CorpusName = "demo",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a corpus: logistic regression on pooled features, face detection, an independent classifier of real faces."""
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.corpus_check import check
    from affectscope.core.features.clips import load_clips

    corpus = open_corpus(name)
    with progress_bar() as report:
        clips, broken = load_clips(corpus, None, workers, lambda done, total: report("Reading clips", done / total))
    regret(broken)
    show([check(clips, corpus)], as_json, name)


@corpus_app.command("features")
def corpus_features(
    name: CorpusName = "demo",
    workers: Workers = None,
) -> None:
    """Extract a corpus's features into its own folder, so that they stay with the clips."""
    from affectscope.core.cache.store import FeatureStore
    from affectscope.core.corpora import open_corpus
    from affectscope.core.features.clips import load_clips

    corpus = open_corpus(name)
    store = FeatureStore(corpus.root / "features")
    with progress_bar() as report:
        clips, broken = load_clips(corpus, store, workers, lambda done, total: report("Reading clips", done / total))
    regret(broken)
    remarks.print(f"{len(clips)} clips' features are in {store.root}.", markup=False)


@corpus_app.command("cut")
def corpus_cut(
    name: CorpusName,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Output folder for the segments; by default, a folder in the corpus, where they are found automatically.",
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Cut whole recordings into the labelled segments of a corpus (CMU-MOSEI). Resumes if interrupted."""
    from affectscope.core.corpora import open_corpus
    from affectscope.core.corpora.cut import cut, segments
    from affectscope.core.corpora.mosei.media import CUT

    corpus = open_corpus(name)
    found = segments(corpus)
    if not found:
        there = int((corpus.table["path"] != "").sum())
        raise UserError(
            f"There is nothing to cut: {there:,} clips of {corpus.name} have a file; the recordings of the others are missing."
        )
    folder = out or corpus.root / CUT
    with progress_bar() as report:
        files, broken = cut(found, folder, workers, lambda done, total: report("Cutting segments", done / total))
    regret(broken)
    remarks.print(f"{len(files):,} of {len(found):,} segments are in {folder}.", markup=False)
