"""What ``test_processes`` starts twice; each process writes down what it saw."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from affectscope.core import cli
from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.errors import UserError
from affectscope.core.models.vavl import VAVL
from affectscope.core.streams import Batch, Clip, Stream
from affectscope.core.training import loop
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import TrainConfig, train
from affectscope.core.training.strategies import VersatileTraining
from tests.core.training.test_training import LABELS, make_clips


@dataclass(frozen=True)
class Watched(VersatileTraining):
    """Notes which clips a process sees; the first frame of a clip's sound says which it is."""

    seen: list[int] = field(default_factory=list)
    chance: list[float] = field(default_factory=list)

    def loss(self, model, batch: Batch, target, stage: str):
        if stage == "audio":
            self.seen.extend(int(v) for v in batch.values["audio"][:, 0, 0].round())
            self.chance.append(float(torch.rand(())))
        return super().loss(model, batch, target, stage)


def numbered(clip: Clip, number: int) -> Clip:
    """Clips with an odd number have no picture."""
    sound = clip.streams["audio"]
    sound.values[0, 0] = number
    picture = Stream.absent(4) if number % 2 else clip.streams["visual"]
    return replace(clip, streams={"audio": sound, "visual": picture})


def main(folder: Path) -> None:
    by_command(folder)
    torch.manual_seed(0)
    model = VAVL.preset(
        "demo", labels=LABELS, audio_dim=3, visual_dim=4, projected=8, width=8, heads=2, kernel=3, layers=1, hidden=(8, 8)
    )
    start = total(model)
    clips = [numbered(clip, i) for i, clip in enumerate(make_clips(16))]
    # Batches of one: again and again one process has a pair and the other has none.
    batches = [Batches(part, model.spec, Normaliser(), 1, shuffle) for part, shuffle in ((clips, True), (clips[:4], False))]
    strategy, config = Watched(), TrainConfig(epochs=2, learning_rate=1e-3, accelerator="cpu")
    history = train(model, *batches, strategy, config, folder / "run.safetensors")
    rank = torch.distributed.get_rank()
    report = {
        "seen": [strategy.seen[:8], strategy.seen[8:]],
        "chance": strategy.chance,
        "history": history,
        "start": start,
        "weights": total(model),
        "complaint": complaint(model, batches, config),
    }
    (folder / f"{rank}.json").write_text(json.dumps(report))


def by_command(folder: Path) -> None:
    """``affectscope train``, from a corpus to a checkpoint."""
    out, corpus = folder / "out" / "model.safetensors", folder / "corpus"
    sys.argv = ["affectscope", "train", "vavl", "-o", str(out), "--corpus", str(corpus), "--accelerator", "cpu", "--json"]
    sys.argv += ["--epochs", "2", "--batch-size", "4", "--workers", "1"]
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise


def complaint(model: VAVL, batches: list[Batches], config: TrainConfig) -> str:
    """What each process says when the first cannot write."""

    def full(*_: object) -> None:
        raise UserError("the disk is full")

    loop._store = full
    try:
        train(model, *batches, VersatileTraining(), config)
    except UserError as error:
        return str(error)
    return ""


def total(model: VAVL) -> list[float]:
    return [float(v.double().sum()) for v in model.state_dict().values()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
