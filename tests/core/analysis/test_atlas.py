import numpy as np
import pytest

from affectscope.core.analysis import atlas
from affectscope.core.analysis.atlas import Drawing

VECTORS = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


def test_only_what_counts_for_the_method_is_in_the_name(monkeypatch, tmp_path):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    key = atlas.digest(VECTORS)
    assert atlas.place_of(key, Drawing("t-SNE")) == atlas.place_of(key, Drawing("t-SNE", neighbours=99))
    assert atlas.place_of(key, Drawing("t-SNE")) != atlas.place_of(key, Drawing("t-SNE", perplexity=31))
    assert atlas.place_of(key, Drawing("t-SNE")) != atlas.place_of(key, Drawing("t-SNE", seed=1))
    assert atlas.place_of(key, Drawing()) != atlas.place_of(atlas.digest(VECTORS.reshape(30, 10)), Drawing())


def test_a_map_is_read_back_and_a_broken_one_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    path = atlas.place_of(atlas.digest(VECTORS), Drawing())
    assert atlas.load(path, 60) is None
    drawn = atlas.draw(VECTORS, Drawing(), path)
    np.testing.assert_array_equal(atlas.load(path, 60), drawn.points)
    path.write_bytes(path.read_bytes()[:-3])
    assert atlas.load(path, 60) is None


@pytest.mark.parametrize("drawing", [Drawing(), Drawing("t-SNE", 3, 12), Drawing("UMAP", 2, neighbours=7, min_dist=0.4)])
def test_text_says_it_all(drawing):
    assert Drawing.from_text(drawing.to_text()) == drawing


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"method":"magic"}', '{"method":"UMAP","seed":"x"}', '{"method":null}'])
def test_nonsense_is_pca(text):
    assert Drawing.from_text(text) == Drawing()
