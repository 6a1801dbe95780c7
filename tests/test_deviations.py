"""The table of deviations is what the docstrings say."""

import inspect
from pathlib import Path

import pytest

from affectscope.core.experiments import plan
from affectscope.core.models import catalogue  # noqa: F401
from affectscope.core.models.base import MODELS
from docs import deviations

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("system", list(MODELS))
def test_every_system_says_where_it_departs_from_its_paper(system):
    path = Path(inspect.getfile(MODELS[system]))
    found = list(deviations.of_file(path))
    # A system of nobody's paper departs from none.
    assert found or not any(paper in path.read_text(encoding="utf-8") for paper in deviations.PAPERS)
    assert {deviation.paper for deviation in found} <= set(deviations.PAPERS)
    assert all(deviation.text for deviation in found)


def test_every_paper_of_an_experiment_has_a_table_and_a_reference():
    """Otherwise the experiments' notes would be in no table."""
    cited = {plan.load(name).paper for name in plan.experiments()}
    assert cited <= set(deviations.PAPERS)
    listed = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    assert not [paper for paper in deviations.PAPERS if f"| `{paper}` |" not in listed]


def listed(folder: Path, docstring: str) -> list[tuple[str, str, str]]:
    """Paper, place and text of each deviation in a module with this docstring."""
    (folder / "one.py").write_text(f'"""{docstring}"""\n')
    return [(deviation.paper, deviation.where, deviation.text) for deviation in deviations.of_file(folder / "one.py")]


def test_an_item_names_its_paper_its_place_and_what_differs(tmp_path):
    text = (
        "A thing.\n\nSource: mocanu2023multimodal.\n\n"
        "Deviations:\n\n- goncalves2022robust (4.3, Eq. 2): this is\n  so. ``x | y``\n"
        "- (4.1) no key, a place.\n- neither.\n\nSomething else:\n\n- not this.\n"
    )
    assert listed(tmp_path, text) == [
        ("goncalves2022robust", "4.3, Eq. 2", "This is so. ``x | y``"),
        ("mocanu2023multimodal", "4.1", "No key, a place."),
        ("mocanu2023multimodal", "", "Neither."),
    ]


def test_an_item_of_several_papers_is_in_the_table_of_each(tmp_path):
    text = (
        "A thing.\n\nDeviations:\n\n"
        "- goncalves2022robust (4.3), goncalves2022auxformer (5.1,\n  Table 1), mocanu2023multimodal: of all: this.\n"
        "- goncalves2022robust (4.1): as goncalves2022auxformer (3): not this.\n"
    )
    assert listed(tmp_path, text) == [
        ("goncalves2022robust", "4.3", "Of all: this."),
        ("goncalves2022auxformer", "5.1, Table 1", "Of all: this."),
        ("mocanu2023multimodal", "", "Of all: this."),
        ("goncalves2022robust", "4.1", "As goncalves2022auxformer (3): not this."),
    ]


def test_the_page_is_up_to_date():
    assert (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8") == deviations.page(), "run `make docs`"
