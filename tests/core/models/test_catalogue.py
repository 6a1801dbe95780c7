from pathlib import Path

from affectscope.core.models import catalogue

# The counts that papers print or public code has, by name, preset and variant.
PUBLISHED = {
    ("auxformer", "paper-four-classes", "code"): 7_037_848,
    ("auxformer", "paper-projected", "code"): 7_054_748,
    ("auxformer", "baseline-1", "code"): 4_760_094,
    ("auxformer", "baseline-1-projected", "code"): 4_776_994,
    ("mult", "paper-four-classes", "paper"): 358_384,
    ("mult", "upscaled", "paper"): 7_070_406,
    ("mult", "three-modalities", "code"): 1_073_731,
    ("vavl", "paper", "code"): 61_375_128,
    ("vavl", "five-layers", "code"): 86_667_928,
    ("uavm", "paper", "paper"): 117_004_050,
    ("resnet3d", "101-kinetics400", "code"): 86_064_720,
}


def test_published_counts_are_met():
    rows = {(r["name"], r["preset"], r["variant"]): r["parameters"] for r in catalogue.rows()}
    assert {key: rows[key] for key in PUBLISHED} == PUBLISHED


def test_the_table_in_the_docs_is_the_one_that_is_made():
    page = Path(__file__).parents[3] / "docs" / "systems.md"
    assert page.read_text() == catalogue.markdown(), "run `make docs`"
