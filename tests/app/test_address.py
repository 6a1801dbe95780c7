"""Whatever an address says, every page stands, and no file outside of where the app keeps its own is touched."""

from __future__ import annotations

import os
import string
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from affectscope.app import services
from affectscope.app.common import address, session, tour
from affectscope.app.common.navigation import PAGES
from affectscope.app.embeddings import choices
from affectscope.app.embeddings.choices import Drawing, Pick
from affectscope.app.failures import lists, views
from affectscope.app.masking import state
from affectscope.app.services import known
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.training import forecast
from tests.app.conftest import FakeAnalyzer
from tests.app.test_embeddings import prediction_table
from tests.app.test_failures import made as answered
from tests.app.test_masking import RealGrid, made
from tests.app.test_train_page import told

ROOT = Path(__file__).parents[2]
# A few in `make test`; AFFECTSCOPE_EXAMPLES=200 for a night.
EXAMPLES = int(os.environ.get("AFFECTSCOPE_EXAMPLES", "2"))

NAMES = (
    "corpus", "clip", "model", "explain", "t", "map", "heat", "scale", "opacity", "below", "speed", "loop", "muted", "layer",
    "head", "matrix", "lane.audio", "lane.visual", "lane.prediction", "o.corpus", "o.compare.with", "o.tour.step", "o.train.run",
    "o.library.shown", "o.library.corpus", "o.failures.view", "o.failures.head", "o.failures.attribute", "o.failures.show",
    "o.failures.order",
    "o.failures.count", "o.failures.cell", "o.failures.slice", "o.failures.tag", "o.embeddings.of", "o.embeddings.map",
    "o.embeddings.colour", "o.embeddings.shape", "o.embeddings.beside", "o.embeddings.beside_of", "o.embeddings.pick",
    "o.embeddings.perplexity", "o.embeddings.neighbours", "o.embeddings.min_dist", "o.embeddings.seed", "o.shared.models",
    "o.shared.by", "o.shared.stage", "o.shared.clip", "o.shared.of", "o.masking.view", "o.masking.keep", "o.masking.spans",
    "o.masking.pattern", "o.masking.imputation", "o.masking.seed", "o.masking.burst", "o.masking.head", "o.masking.class",
    "o.masking.models", "o.masking.metric", "o.masking.curve", "o.masking.draws", "o.masking.picture", "page",
    "token", "o.", "lane.",
)  # fmt: skip
HOSTILE = (
    "../../affectscope-escape", "/tmp/affectscope-escape", "..\\..\\x", "file:///etc/passwd", "~/x", "a/b", ".", "..", "\0",
    "x\0.mp4", "x" * 100_000, "![x](http://127.0.0.1:9/x)", "<img src=http://127.0.0.1:9/x>", "<script>alert(1)</script>",
    "1e999", "-1e999", "nan", "NaN", "Infinity", "9" * 5000, "-1", "0x10", "1_000", "true", "null", "[]", "{}", "[[[",
    "[" * 50_000,
    '["a"]', '["a", "b", "c"]', "[1e999, null]", '{"a": 1}', "[null]", "'; DROP TABLE clips; --", "$(id)", "%2e%2e%2f", "%00",
    "\u202e", "\r\nSet-Cookie: x=1", "demo", "first", "happiness", "random", "UMAP", "uploads", "corpus", "audio:1-2", "٣", "²",
    '["lasso", "demo", "audio", "{\\"method\\": \\"t-SNE\\", \\"perplexity\\": 1e999}", [1, 2, 3]]', '["values", "label", 5]',
)  # fmt: skip


def values() -> some.SearchStrategy[str]:
    nested = some.recursive(some.none() | some.floats() | some.text(max_size=5), lambda inner: some.lists(inner, max_size=4))
    return some.one_of(
        some.sampled_from(HOSTILE),
        some.text(max_size=40),
        some.text(string.printable, max_size=40).map(lambda text: f"../{text}"),
        some.floats().map(str),
        nested.map(repr),
    )


def allowed() -> tuple[str, ...]:
    """Where the app and Python read: itself, the interpreter, and the machine's facts."""
    own = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), *sysconfig.get_paths().values(), str(ROOT)}
    return (*own, "/proc", "/sys", "/dev/null", "/dev/urandom", "/etc", "/usr", "/lib", *filter(None, sys.path))


@contextmanager
def watched(*places: Path) -> Iterator[list[str]]:
    """The files outside of these places that are touched meanwhile."""
    seen, on = [], [True]
    inside = (*allowed(), *map(str, places))

    def hook(event: str, given: tuple) -> None:
        if not on or event not in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "shutil.rmtree"):
            return
        for argument in given[:2]:
            if isinstance(argument, str | bytes | os.PathLike):
                path = os.path.abspath(os.fsdecode(argument))
                if path != os.getcwd() and not path.startswith(inside):
                    seen.append(f"{event} {path}")

    sys.addaudithook(hook)
    try:
        yield seen
    finally:
        # A hook can never be taken away again.
        on.clear()


def test_the_watch_sees_what_is_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with watched(tmp_path / "in") as touched:
        (tmp_path / "in" / "x").write_text("x")
        (tmp_path / "out").write_text("x")
    assert [line.rpartition("/")[2] for line in touched] == ["out"]


@pytest.fixture
def every(app, monkeypatch: pytest.MonkeyPatch):
    """Called with a page's file and an address: the app there, with something to show."""
    prediction_tables = {"embeddings": prediction_table()}
    monkeypatch.setattr(RealGrid, "asked", [], raising=False)
    monkeypatch.setattr(RealGrid, "analyze", FakeAnalyzer.analyze)
    monkeypatch.setattr(checkpoints, "load", lambda *_, **__: made("auxformer"))
    monkeypatch.setattr(known, "Analyzer", RealGrid)
    monkeypatch.setattr(forecast, "measure", told)
    app.default_timeout = 120

    def open_page(page: str, **query: str):
        asked = prediction_tables.get(page) or answered()
        monkeypatch.setattr(services, "prediction_table", lambda *_: asked)
        monkeypatch.setattr(services, "prediction_table_on_disk", lambda *_: asked)
        app.run()
        for name, value in query.items():
            app.query_params[name.replace("__", ".")] = value
        return app.switch_page(f"../pages/{page}.py").run() if page != next(iter(PAGES)) else app.run()

    return open_page


@pytest.mark.parametrize("page", PAGES)
def test_no_address_breaks_a_page_or_leads_out(page: str, every, tmp_path: Path, clips: Path) -> None:
    app = every(page)

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(some.dictionaries(some.sampled_from(NAMES), values(), min_size=8, max_size=len(NAMES)))
    def holds(query: dict[str, str]) -> None:
        app.query_params.clear()
        for name, value in query.items():
            app.query_params[name] = value
        with watched(tmp_path, clips) as touched:
            app.run()
        assert not app.exception, app.exception[0].value
        assert not [line for line in touched if "escape" in line or not line.startswith("open /tmp/pytest")]
        assert not [message.value for message in (*app.error, *app.warning) if "Something went wrong" in message.value]

    holds()


@given(some.dictionaries(some.sampled_from(NAMES) | some.text(max_size=30), values()))
@settings(max_examples=50 * EXAMPLES, derandomize=True, deadline=None, database=None)
def test_what_is_read_of_an_address_is_written_and_read_again_alike(query: dict[str, str]) -> None:
    selection = session.from_query(query)
    written = session.to_query(selection)
    assert session.from_query(written) == session.from_query(session.to_query(session.from_query(written)))
    assert len(written) <= address._MOST + 1
    assert all(len(value) <= address._LONGEST and "\0" not in value for value in written.values())
    view = selection.view
    assert 0 <= view.get("opacity", 0) <= 1
    assert -1 <= view.get("time", 0) <= 1e6


@pytest.mark.parametrize("value", ["nobody", "../../x", "![x](http://127.0.0.1:9/x)"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("model", "The address names a model that is not here: demo is shown."),
        ("corpus", "The address names a corpus that is not here: demo is shown."),
        ("clip", "The address names a clip that is not here: first is shown."),
        ("explain", "The address names a class that first does not have: the default is shown."),
        ("map", "The address names a heatmap that first does not have: the default is shown."),
        ("matrix", "The address names a matrix that first does not have: the default is shown."),
        ("lane.audio", "The address names a lane that first does not have: the default is shown."),
    ],
)
def test_what_the_address_names_and_is_not_here_gets_a_sentence_and_the_default(
    app, name: str, value: str, sentence: str
) -> None:
    app.query_params[name] = value
    app.run()
    assert not app.exception
    assert not app.error
    assert [warning.value for warning in app.warning] == [sentence]


def test_so_does_a_choice(every) -> None:
    app = every("failures", o__failures__order="../nobody")
    assert not app.exception
    assert [warning.value for warning in app.warning] == [
        "The address names a choice of “Order” that is not here: Most confidently wrong first is shown."
    ]


def test_a_link_has_the_server_look_into_no_folder(every, tmp_path: Path) -> None:
    app = every("library", o__library__corpus=str(tmp_path))
    assert not app.exception
    assert str(tmp_path) not in [field.value for field in app.text_input]


@pytest.mark.parametrize("value", HOSTILE)
def test_every_reader_of_the_address_bears_every_hostile_value(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    selection = session.from_query(dict.fromkeys(NAMES, value))
    monkeypatch.setattr(session, "current", lambda: selection)
    assert isinstance(choices.drawing(), Drawing)
    assert isinstance(choices.pick(), Pick)
    assert 0 < lists._count() <= 2000
    for name in ("failures.cell", "failures.slice"):
        pair = views._pair(name)
        assert pair is None or all(isinstance(text, str) for text in pair)
    change = state.read(selection.options, {"audio": 1, "visual": 1})
    assert set(change.keep) | set(change.spans) <= {"audio", "visual"}
    assert 0.02 <= change.burst <= 10
    assert tour._number() is None or 0 <= tour._number() < 5
