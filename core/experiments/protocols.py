"""How each paper trains and measures, where that is not what this project does by itself.

``affectscope experiment run --protocol paper`` follows it, and it is what is followed at the papers' sizes; at demo size the own
protocol is: what is missing is absent, both modalities are normalised, splits are drawn by the seed, and the epoch with the least
development loss is kept.

Deviations:

- goncalves2022robust (4.3), goncalves2022auxformer (5.1): the text mentions early stopping by development loss without a
  patience: here 8 epochs. The epoch with the lowest development loss is kept, over all heads weighted by their lambdas;
  goncalves2022robust says "the best results", goncalves2022auxformer nothing. "A learning decay set to five epochs" is read as in
  the public code: a tenth of the learning rate after five epochs without a better development loss.
- goncalves2022robust (4.3): the development set is evaluated with all modalities; the public code drops modalities there too.
- goncalves2022auxformer (4.3): the text does not say whether the 20 % are drawn per batch (as in the public code) or per clip:
  the protocol draws per clip; ``options = { each = "batch" }`` in a row draws per batch.
- goncalves2025versatile (IV-C): the paper does not say which development score selects the epoch: here the loss of the
  audio-visual head (of the main head, for the baselines). Betas, weight decay and the weight of the reconstruction are those of
  the public code.
- goncalves2025versatile (III-E, IV-E): AuxFormer and MulT are 50 wide, as the public code of AuxFormer's second version and the
  counts of III-E have them; with the 1,408 visual features that IV-B names the counts are slightly larger than those printed.
- goncalves2025versatile (IV-A): CMU-MOSEI's own split has 16,326, 1,871 and 4,659 clips in the paper, which sum to 22,856 of its
  22,859: here it is the corpus's own split, the same for every seed.
- parthasarathy2020detecting (4.3): the paper gives neither epochs, batch size nor patience: here 25, 32 clips and 8. The learning
  rate is called initial, but no schedule is mentioned: it stays constant.
- parthasarathy2020detecting (4.3): as a metric, the CCC is computed over all labelled frames of the test clips together, not as
  the mean over sequences; the paper does not say.
- parthasarathy2020detecting (4.1): the test set's labels are not public; the corpus's own split therefore tests on the validation
  set, and draws a development set from the training speakers. For a corpus other than Aff-Wild2 the split is drawn, unless
  ``--split official`` is given.
- parthasarathy2020detecting (4.2): the paper does not say that visual features are normalised, and here they are not.
- mocanu2023multimodal (4.2): the paper gives no number of epochs: at most 200, stopped after 20 without a better development
  accuracy. It does not say which part gives "the accuracy score": the development part.
- mocanu2023multimodal (4.1): the ten folds are this project's; the paper does not list the actors per fold. A seed is a fold:
  ``--seeds 10`` runs them all.
- goncalves2022robust (3.6, 5.2), goncalves2022auxformer (4.3, 5.3): zeros replace already normalised features, as in the public
  code: for audio that is the training mean, for video plain zeros.
- goncalves2022robust (4.2.2), goncalves2022auxformer (4.1.2), parthasarathy2020detecting (4.2.2), goncalves2025versatile (IV-B),
  mocanu2023multimodal (4.2): normalised features are clipped at 20 standard deviations; the paper does not say.
- goncalves2022robust (4.2.2), goncalves2022auxformer (4.1.2): the paper does not say over what the means and standard deviations
  are computed: here over all present frames of the training clips.
- goncalves2022robust (5.2.2): the paper does not say how often frames are drawn: here five times.
- goncalves2022robust (Figs. 6 and 7, Table 5): the paper does not say which training they show: here the optimised one.
- goncalves2022auxformer (Fig. 2): the text does not say which F1-score it shows: here micro-F1.
- goncalves2022robust (4.3), goncalves2022auxformer (5.1), goncalves2025versatile (IV-C): the paper's seeds and splits are not
  published; seeds 0 to 19 give splits of this project.
- goncalves2022auxformer (4.1): only the audio is normalised, because the text mentions normalisation only for it.
- goncalves2022auxformer (4.3): no clip loses both modalities at once; the text does not say.
- goncalves2025versatile (IV-E): baselines 1 to 4 are run from their public code in the paper; here they are the variants "paper"
  of the systems, all masked, and trained by IV-C.
- goncalves2025versatile (IV-D): the two-tailed t-test is Student's, for independent samples: the paper mentions neither pairs nor
  unequal variances.
- goncalves2025versatile (IV-B): features are normalised by the training set, as in the public code; the paper does not say.
- goncalves2025versatile (IV-E): AuxFormer drops modalities as in goncalves2022robust, for 20 % of each batch's clips each; the
  paper cites goncalves2022auxformer, whose random choice is the strategy ``modality-dropout``.
- goncalves2025versatile (Tables I and II): the paper does not say what replaces a missing modality in the baselines. It is left
  out, for all rows, because VAVL's own head is used only if it is absent (Algorithm 1).
- goncalves2025versatile (IV-A): the paper does not say whether MSP-IMPROV's 620 read sentences are included: here they are,
  unless the corpus is added with ``condition=not-read``. Attributes are rescaled from 1..5 to -1..1, which doesn't change the
  CCC. Turns whose raters name none of the four classes have attributes too, but are left out unless the corpus is added with
  ``classes=all``; the paper does not say that it leaves any out.
- goncalves2022robust (4.1), goncalves2022auxformer (3), goncalves2025versatile (IV-A): 7,442 clips of CREMA-D have labels, 420 of
  which have no single winner among the raters; no rule is given, and here the winner is drawn by the clip's name.
- goncalves2022robust (4.3), goncalves2022auxformer (5.1), goncalves2025versatile (IV-C): of several random splits of the
  speakers, the first is used whose shares of clips and classes are nearly as good as those of the best.
- goncalves2022robust (4.1): the paper does not say whether MSP-IMPROV's 620 read sentences are included: here they are, as in the
  counts that goncalves2022auxformer (3) gives.
- mocanu2023multimodal (4.1): the paper does not say whether CREMA-D's labels are the acted emotions or the raters': here the
  raters' for audio and video, as for the other papers.
- mocanu2023multimodal (4.2): the learning rate is called initial, but no schedule is mentioned: it stays constant. The epoch with
  the best accuracy is kept; the paper only says when training stops. Adam's second beta is 0.999.
- goncalves2025versatile (V-B): masked frames are zeros in the model's input; the paper does not say how often they are drawn:
  here five times.
- goncalves2025versatile (III-E): latency is the median over the test clips, one at a time, after one warm-up run; the paper does
  not say how it was measured.
- parthasarathy2020detecting (5.1): Fig. 4 is measured on the held-out part; ten draws of frames are its ten trials.
- parthasarathy2020detecting (4.3): the best epoch is chosen by the development loss, 1 - CCC.
- mocanu2023multimodal (4.4): times are those of one run; the paper's are means of ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Missing = Literal["absent", "zeros"]
DRAWS = 5
_ABLATES = ("optimised", "modality-dropout")
_TAKES = ("without", "random", "burst", "tail")


@dataclass(frozen=True)
class AtSize:
    """Settings for a paper's own sizes only.

    Attributes:
        training: settings of ``TrainConfig``.
        changes: system -> fields of its config.
        features: modality -> feature set, where its width does not identify the paper's.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """How a paper trains and measures.

    Attributes:
        trials: number of splits or folds behind its tables; the default of ``--seeds``.
        missing: how missing frames are filled in measurements and, without ``alone``, a missing modality.
        alone: how an entirely missing modality is filled, in training and measurements.
        draws: number of random draws of frames.
        normalised: the normalised modalities; None for all.
        training: settings of ``TrainConfig``, at any size; ``on`` the same by kind of corpus.
        options: strategy -> its options.
        changes: system -> fields of its config, at any size.
    """

    trials: int
    missing: Missing = "absent"
    alone: Missing | None = None
    draws: int = DRAWS
    normalised: tuple[str, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: AtSize = field(default_factory=AtSize)

    def put(self, kind: str) -> Missing:
        """The fill for a condition, by its first word."""
        return self.alone or self.missing if kind == "without" else self.missing

    def condition(self, asked: str) -> str:
        """A condition of ``core.experiments.plan`` in full: "random audio 0.3" -> "random audio zeros x10 0.3"."""
        words = asked.split()
        if words[0] not in _TAKES:
            return asked
        more = ["zeros"] if self.put(words[0]) == "zeros" else []
        more += [f"x{self.draws}"] if self.draws != DRAWS and words[0] in ("random", "burst") else []
        return " ".join([*words[:2], *more, *words[2:]])

    def options_of(self, strategy: str) -> dict[str, Any]:
        """The protocol's options for a strategy."""
        missing = {"missing": self.put("without")} if strategy in _ABLATES and self.put("without") != "absent" else {}
        return {**missing, **self.options.get(strategy, {})}

    def training_on(self, kind: str) -> dict[str, Any]:
        """The protocol's ``TrainConfig`` settings for a kind of corpus, at any size."""
        return {**self.training, **self.on.get(kind, {})}


OWN = Protocol(trials=5)

PROTOCOLS: Mapping[str, Protocol] = {
    # 3.6 and 5.2 (zeros), 4.2 (only the sound is normalised), 4.3 (twenty splits).
    "goncalves2022robust": Protocol(
        trials=20,
        missing="zeros",
        normalised=("audio",),
        published=AtSize(features={"audio": "llds-32-16", "visual": "vgg-face-unit"}),
    ),
    # 4.1.2, 4.3, 5.1 (20 epochs), 5.3 (the unimodal model).
    "goncalves2022auxformer": Protocol(
        trials=20,
        missing="zeros",
        normalised=("audio",),
        options={"modality-dropout": {"each": "clip"}},
        changes={"unimodal-attention": {"plain_first": True}},
        published=AtSize(training={"epochs": 20}, features={"audio": "llds-32-16", "visual": "vgg-face"}),
    ),
    # IV-C, also for the baselines (V-A); V-B (zeros); III-D (an absent modality is left out).
    "goncalves2025versatile": Protocol(
        trials=5,
        missing="zeros",
        alone="absent",
        training={"selection": "main loss"},
        on={"msp-improv": {"batch_size": 16}, "cmu-mosei": {"split": "official"}},
        published=AtSize(
            training={
                "epochs": 20, "learning_rate": 5e-5, "clip_norm": 0.0, "schedule": "constant", "betas": (0.95, 0.999),
                "weight_decay": 5e-7, "patience": 20,
            },
            changes={"auxformer": {"width": 50}, "mult": {"width": 50}},
            features={"audio": "wav2vec2", "visual": "efficientnet-b2"},
        ),
    ),
    # 4.1 (the corpus's split), 4.2.2 (the sound is normalised), 5.1 (zeros, ten trials).
    "parthasarathy2020detecting": Protocol(
        trials=1, missing="zeros", draws=10, normalised=("audio",), on={"aff-wild2": {"split": "official"}},
    ),
    # 4.1 (ten folds), 4.2 (stops by accuracy).
    "mocanu2023multimodal": Protocol(
        trials=10, training={"selection": "accuracy", "patience": 20, "split": "folds"},
    ),
}  # fmt: skip
