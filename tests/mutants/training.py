"""Faults in core/training."""

from __future__ import annotations

from tests.mutants.faults import Fault

_LOOP = "tests/core/training/test_loop.py"
_STEP = "tests/core/training/test_golden_steps.py"
_ALGORITHM = (f"{_STEP}::test_algorithm_1_of_goncalves2025versatile",)
_STRATEGIES = ("tests/core/training/test_strategies.py", "tests/core/training/test_training.py")
_LOSSES = ("tests/core/training/test_losses.py", "tests/core/training/test_criteria.py")
_RECIPES = ("tests/core/training/test_recipes.py",)
_CELLS = "tests/core/test_cells.py"


def _fault(name: str, file: str, text: str, planted: str, tests: tuple[str, ...]) -> Fault:
    return Fault(name, f"core/training/{file}", text, planted, tests)


FAULTS = (
    _fault("no gradient clipping", "loop.py", "            if config.clip_norm:", "            if False:",
           (f"{_LOOP}::test_a_step_is_no_longer_than_the_norm_allows",)),
    _fault("clipped to another norm", "loop.py", "max_norm=config.clip_norm", "max_norm=1.0",
           (f"{_LOOP}::test_a_step_is_no_longer_than_the_norm_allows",)),
    _fault("the published norm is another", "loop.py", "clip_norm: float = 0.8", "clip_norm: float = 8.0", _RECIPES),
    _fault("the scheduler never steps", "loop.py", "            schedule.step(row[\"dev_loss\"])", "            pass", (_LOOP,)),
    _fault("the scheduler steps where it should not", "loop.py", 'if config.schedule == "plateau":', "if True:", (_LOOP,)),
    _fault("the scheduler watches the training loss", "loop.py", 'schedule.step(row["dev_loss"])', 'schedule.step(row["train_loss"])', (_LOOP,)),
    _fault("decay patience ignored", "loop.py", "ReduceLROnPlateau(optimiser, patience=config.decay_patience)",
           "ReduceLROnPlateau(optimiser)", (_LOOP,)),
    _fault("the last epoch is kept", "loop.py", "model.load_state_dict(fabric.broadcast(best))", "fabric.broadcast(best)", (_LOOP,)),
    _fault("patience one longer", "loop.py", "epoch - 1 - best_epoch >= config.patience", "epoch - 1 - best_epoch > config.patience", (_LOOP,)),
    _fault("patience ignored", "loop.py", "if best and epoch - 1", "if False and epoch - 1", (_LOOP,)),
    _fault("gradients pile up", "loop.py", "                optimiser.zero_grad()\n", "", (_LOOP,)),
    _fault("ten times the learning rate", "loop.py", "rate, decay = config.learning_rate,", "rate, decay = 10 * config.learning_rate,", (_LOOP,)),
    _fault("betas ignored", "loop.py", "kind(model.parameters(), rate, betas=config.betas, weight_decay=decay)",
           "kind(model.parameters(), rate, weight_decay=decay)", (_LOOP,)),
    _fault("weight decay ignored", "loop.py", "kind(model.parameters(), rate, betas=config.betas, weight_decay=decay)",
           "kind(model.parameters(), rate, betas=config.betas)", (_LOOP,)),
    _fault("no noise", "loop.py", "batch = jitter(batch.to(fabric.device), config.frame_noise, config.clip_noise)",
           "batch = batch.to(fabric.device)", (_LOOP,)),
    _fault("all stages move everything", "loop.py", "with frozen(left_alone[stage]):", "with frozen([]):", _ALGORITHM),
    _fault("every epoch has the same chance", "loop.py", "seed_everything(config.seed * 100_003 + epoch, verbose=False)",
           "seed_everything(0, verbose=False)", (_LOOP,)),
    _fault("development in training mode", "loop.py", "    model.eval()\n    loss", "    model.train()\n    loss", (_LOOP,)),
    _fault("development losses of batches count the same", "loop.py", "loss += len(batch) * float(answer_loss(output, target, model.spec, class",
           "loss += 8 * float(answer_loss(output, target, model.spec, class", (_LOOP,)),
    _fault("picture before sound", "strategies.py", '("audio", "visual", "av")', '("visual", "audio", "av")', _ALGORITHM),
    _fault("the fusion head first", "strategies.py", '("audio", "visual", "av")', '("av", "audio", "visual")', _ALGORITHM),
    _fault("the fusion layer trained on unpaired clips", "strategies.py",
           'one_loss(output.predictions["av"][paired], target[paired], model.spec', 'one_loss(output.predictions["av"], target, model.spec', _ALGORITHM),
    _fault("reconstruction off for attributes", "strategies.py", '2.0 if model.spec.task == "classification" else 1.0',
           '2.0 if model.spec.task == "classification" else 0.0', _ALGORITHM),
    _fault("reconstruction once for classes", "strategies.py", '2.0 if model.spec.task == "classification" else 1.0', "1.0", _ALGORITHM),
    _fault("the shared layers stand still", "strategies.py", 'return parameter.startswith("shared") or f".{stage}." in parameter',
           'return f".{stage}." in parameter', _ALGORITHM),
    _fault("all heads learn in each stage", "strategies.py", "model.spec, {stage: 1.0}, self.class_weights)",
           "model.spec, None, self.class_weights)", _ALGORITHM),
    _fault("the optimised strategy's loss is not ablated", "strategies.py",
           "model(self.ablate(batch)), target, model.spec, class_weights=self.class_weights)\n\n    def ablate(self, batch: Batch) -> Batch:\n"
           '        """Drop a modality from random rows',
           "model(batch), target, model.spec, class_weights=self.class_weights)\n\n    def ablate(self, batch: Batch) -> Batch:\n"
           '        """Drop a modality from random rows', _STRATEGIES),
    _fault("the standard strategy's is", "strategies.py",
           "return answer_loss(model(batch), target, model.spec, class_weights=self.class_weights)\n\n    def trains",
           "return answer_loss(model(Optimised().ablate(batch)), target, model.spec, class_weights=self.class_weights)\n\n    def trains",
           _STRATEGIES),
    _fault("class weights ignored", "strategies.py",
           "return answer_loss(model(batch), target, model.spec, class_weights=self.class_weights)\n\n    def trains",
           "return answer_loss(model(batch), target, model.spec)\n\n    def trains",
           (f"{_STEP}::test_a_step_counts_the_classes_as_they_are_weighed",)),
    _fault("twice as many without picture", "strategies.py", "visual_share: float = 0.2", "visual_share: float = 0.4", _STRATEGIES),
    _fault("the only modality is taken", "strategies.py", "if m in keep else torch.ones_like(alone)) | alone",
           "if m in keep else torch.ones_like(alone))", _STRATEGIES),
    _fault("one modality's heads count in full", "strategies.py", "weights = {head: 1 / len(heads) for head in heads}",
           "weights = {head: 1.0 for head in heads}", _STRATEGIES),
    _fault("one modality is always the sound", "strategies.py", "chosen = there[int(torch.randint(len(there), ()))]", "chosen = there[0]", _STRATEGIES),
    _fault("sequences of the whole clip", "strategies.py", "        if model.spec.reference:\n            batch, target = self.cut",
           "        if False:\n            batch, target = self.cut", _STRATEGIES),
    _fault("sequences of another length", "strategies.py", "frames: int = SEQUENCE", "frames: int = 2 * SEQUENCE", _STRATEGIES),
    _fault("the metric's weight ignored", "strategies.py", "return loss + self.weight * emotion_loss(", "return loss + emotion_loss(", _STRATEGIES),
    _fault("embeddings not of length one", "strategies.py", 'F.normalize(output.embeddings["fused"][seen], dim=1)',
           'output.embeddings["fused"][seen]', _STRATEGIES),
    _fault("neutral is opposed to all", "losses.py", "opposed = polarity[target][:, None] * polarity[target] < 0",
           "opposed = polarity[target][:, None] != polarity[target]", _LOSSES),
    _fault("neutral is related to itself", "losses.py", "(polarity[:, None] == polarity) & (polarity != 0) &", "((polarity[:, None] - polarity).abs() < 1.5) &", _LOSSES),
    _fault("neutral has no loss", "losses.py", "torch.where(plain, ~same, kin)", "kin", _LOSSES),
    _fault("beta is alpha", "losses.py", "_hinge(embedding, kin, opposed, beta)", "_hinge(embedding, kin, opposed, alpha)", _LOSSES),
    _fault("a clip is its own positive", "losses.py", "return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)", "return same", _LOSSES),
    _fault("margins forgotten", "losses.py", "F.relu(distance[:, :, None] - distance[:, None] + margin)",
           "F.relu(distance[:, :, None] - distance[:, None])", _LOSSES),
    _fault("CCC without the distance of means", "losses.py", "variances + (x_mean - y_mean).square(), 1)", "variances, 1)", _LOSSES),
    _fault("CCC counts frames without a label", "losses.py", "count = mask.sum(1)", "count = torch.ones_like(mask).sum(1)", _LOSSES),
    _fault("heads learn from clips without evidence", "losses.py", "loss(output.predictions[head][seen], target[seen])",
           "loss(output.predictions[head], target)", _LOSSES),
    _fault("lambdas left out", "losses.py", "total = total + weight * loss(", "total = total + loss(", _LOSSES),
    _fault("rebuilt from absent frames too", "losses.py", "(rebuilt - mean_present(values, present)).square()",
           "(rebuilt - values.mean(1)).square()", _LOSSES),
    _fault("sentiment costs a concordance", "criteria.py", 'if spec.labels == ("sentiment",):', "if False:", _LOSSES),
    _fault("statistics of absent frames too", "batches.py", "frames = stream.values[stream.present]", "frames = stream.values",
           ("tests/core/training/test_training.py::test_the_normaliser_counts_present_frames_only",)),
    _fault("deviations are variances", "batches.py", "spread = np.sqrt(squares / count)", "spread = squares / count",
           (f"{_CELLS}::test_statistics_are_of_the_training_clips_alone",)),
    _fault("no prior from the clips", "run.py", "model.prior.copy_(((counts + 1) / (counts + 1).sum()).log())", "pass",
           (f"{_CELLS}::test_balance_and_prior_come_from_the_training_clips",)),
    _fault("rare classes weigh less", "run.py", "counts.sum() / (counts * (counts > 0).sum())", "counts * (counts > 0).sum() / counts.sum()",
           (f"{_CELLS}::test_balance_and_prior_come_from_the_training_clips",)),
    _fault("the same split for every seed", "splits.py", "random = np.random.default_rng(seed)", "random = np.random.default_rng(0)",
           (f"{_CELLS}::test_each_seed_has_its_own_split_and_each_part_its_own_task", "tests/core/training/test_training.py")),
    _fault("official splits ignored", "splits.py", '    if way == "speaker":', "    if True:", (f"{_CELLS}::test_a_corpus_own_split_is_kept_to",)),
    _fault("VAVL ten times as fast", "recipes.py", "epochs=20, learning_rate=5e-5", "epochs=20, learning_rate=5e-4", _RECIPES),
    _fault("VAVL's gradients cut", "recipes.py", "learning_rate=5e-5, clip_norm=0.0", "learning_rate=5e-5, clip_norm=0.8", _RECIPES),
    _fault("AuxFormer without its strategy", "recipes.py", '("auxformer", "mult", "crossmodal"), Recipe("optimised")',
           '("auxformer", "mult", "crossmodal"), Recipe("standard")', _RECIPES),
)  # fmt: skip
