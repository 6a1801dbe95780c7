"""Random weights from the top: in what order, and with which numbers."""

import torch
from torch import Tensor, nn

from affectscope.core.trust.randomised import UntrainedNetworks, cascade, randomise, top_down


class Branches(nn.Module):
    """Layers that are named in another order than they work in, one that no answer hangs on, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 2)
        self.first = nn.Linear(4, 3)
        self.aside = nn.Linear(4, 2)
        self.norm = nn.LayerNorm(3)
        self.own = nn.Linear(2, 2, bias=False)
        for values in self.parameters():
            values.requires_grad_(False)

    def forward(self, given: Tensor) -> Tensor:
        self.aside(given)
        return self.last(self.norm(self.first(given))) @ self.own.weight


def run(network: nn.Module) -> Tensor:
    return network(torch.ones(1, 4))


def test_layers_go_from_the_top_and_only_those_that_the_answer_hangs_on():
    network = Branches()
    assert top_down(network, run) == ["own", "last", "norm", "first"]
    assert not any(values.requires_grad for values in network.parameters())


def test_the_cascade_keeps_what_is_below():
    network = Branches()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    seen = []
    for stage in cascade(network, run, seed=1, most=4):
        same = {name for name, values in stage.network.state_dict().items() if torch.equal(values, before[name])}
        seen.append((stage.name, stage.layers, stage.count, "first.weight" in same, "last.weight" in same))
    assert seen == [
        ("own", 1, 4, True, True), ("last", 2, 4, True, False), ("norm", 3, 4, True, False), ("first", 4, 4, False, False),
    ]  # fmt: skip
    # The network itself is as it was.
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_parts_are_gone_through_one_after_the_other():
    network = nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), "model": nn.Linear(4, 1)})

    def both(networks: nn.Module) -> Tensor:
        return networks["model"](networks["encoder"](torch.ones(1, 4)))

    stages = [(s.part, s.name, s.last) for s in cascade(network, both, parts=("model", "encoder"))]
    assert stages == [("model", "model", True), ("encoder", "encoder.1", False), ("encoder", "encoder.0", True)]


def test_weights_are_drawn_as_the_layers_draw_them():
    for make in (lambda: nn.Linear(5, 4), lambda: nn.Conv2d(3, 6, 3, groups=3), lambda: nn.Conv1d(2, 3, 5)):
        torch.manual_seed(8)
        theirs = make()
        ours = make()
        randomise(ours, 7)
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=1e-6)
        torch.testing.assert_close(ours.bias, theirs.bias, rtol=0, atol=1e-6)


def test_nobody_elses_chance_is_disturbed():
    layer = nn.Linear(5, 4)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    randomise(layer, 7)
    assert torch.equal(torch.rand(2), expected)


def test_what_normalises_forgets():
    norm = nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.weight.fill_(5)
        norm.bias.fill_(5)
    norm.running_mean.fill_(5)
    randomise(norm, 0)
    assert norm.weight.tolist() == [1, 1, 1]
    assert norm.bias.tolist() == norm.running_mean.tolist() == [0, 0, 0]


def test_weights_that_are_drawn_again_are_those_of_a_fresh_copy():
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2)).eval()
    again = UntrainedNetworks(network)
    for seed in (4, 5, 4):
        drawn, fresh = again.drawn(seed).state_dict(), UntrainedNetworks(network).drawn(seed).state_dict()
        assert all(torch.equal(values, fresh[name]) for name, values in drawn.items())
