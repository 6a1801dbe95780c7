"""Faults in core/experiments."""

from __future__ import annotations

from tests.mutants.faults import Fault

_CELLS = "tests/core/test_cells.py"
_SPLIT = (f"{_CELLS}::test_each_seed_has_its_own_split_and_each_part_its_own_task",)
_ROW = (f"{_CELLS}::test_strategy_options_changes_and_settings_are_those_of_the_row",)
_CONDITIONS = (f"{_CELLS}::test_conditions_are_what_their_names_say",)
_REPORT = ("tests/core/test_experiment_report.py",)
_CLAIMS = ("tests/core/test_claims.py",)
_PLAN = ("tests/core/test_plan.py",)


def _fault(name: str, file: str, text: str, planted: str, tests: tuple[str, ...]) -> Fault:
    return Fault(name, f"core/experiments/{file}", text, planted, tests)


FAULTS = (
    _fault("development is test", "cells.py", 'Batches(ready.parts["development"]', 'Batches(ready.parts["test"]', _SPLIT),
    _fault("development is training", "cells.py", 'Batches(ready.parts["development"]', 'Batches(ready.parts["train"]', _SPLIT),
    _fault("measured on the training set", "cells.py", 'batches = Batches(ready.parts["test"]', 'batches = Batches(ready.parts["train"]', _SPLIT),
    _fault("measured on the development set", "cells.py", 'batches = Batches(ready.parts["test"]',
           'batches = Batches(ready.parts["development"]', _SPLIT),
    _fault("a cell's split is the first seed's", "cells.py", "cell.seed, cell.run.training.split)", "0, cell.run.training.split)", _SPLIT),
    _fault("a cell's own split ignored", "cells.py", "cell.seed, cell.run.training.split)", "cell.seed)", (f"{_CELLS}::test_a_corpus_own_split_is_kept_to",)),
    _fault("trained on everything", "cells.py", 'config = cell.config()\n    training = broken(ready.parts["train"], cell',
           'config = cell.config()\n    training = broken(ready.parts["train"] + ready.parts["test"], cell', _SPLIT),
    _fault("the seed of a run stays 0", "cells.py", "replace(self.run.training, seed=self.seed)", "self.run.training", _SPLIT),
    _fault("row changes ignored", "cells.py", "{**changes, **run.changes}, sets", "{**changes}, sets", _ROW),
    _fault("strategies ignored", "cells.py", "STRATEGIES[cell.run.strategy](", 'STRATEGIES["modality-dropout"](', _ROW),
    _fault("options ignored", "cells.py", "class_weights=weights, **cell.run.options)", "class_weights=weights)", _ROW),
    _fault("settings ignored", "cells.py", "replace(self.run.training, seed=self.seed)", "replace(type(self.run.training)(), seed=self.seed)", _ROW),
    _fault("always balanced", "cells.py", "balanced(batches.targets, model.spec) if cell.run.training.balance else ()", "balanced(batches.targets, model.spec)", _ROW),
    _fault("never balanced", "cells.py", "balanced(batches.targets, model.spec) if cell.run.training.balance else ()", "()",
           (f"{_CELLS}::test_balance_and_prior_come_from_the_training_clips",)),
    _fault("cells without a prior", "cells.py", "    set_prior(model, batches.targets)\n", "",
           (f"{_CELLS}::test_balance_and_prior_come_from_the_training_clips",)),
    _fault("statistics of the test clips too", "cells.py", "fit_normaliser(training,", 'fit_normaliser(training + ready.parts["test"],',
           (f"{_CELLS}::test_statistics_are_of_the_training_clips_alone",)),
    _fault("\"without X\" measured whole", "measuring.py", "return evaluate(model, batches, without=words[1])", "return evaluate(model, batches)", _CONDITIONS),
    _fault("holes measured whole", "measuring.py", 'if words[0] == "whole" or words[1] not in model.spec.inputs:',
           'if words[0] != "without" or words[1] not in model.spec.inputs:', _CONDITIONS),
    _fault("every pattern is random", "measuring.py", "rate, words[0], draws", 'rate, "random", draws',
           (f"{_CELLS}::test_another_seed_draws_other_frames",)),
    _fault("every seed the same holes", "measuring.py", "draws=draws, seed=seed,", "draws=draws, seed=0,", (f"{_CELLS}::test_another_seed_draws_other_frames",)),
    _fault("one draw", "measuring.py", "draws=draws, seed=seed,", "draws=1, seed=seed,", (f"{_CELLS}::test_another_seed_draws_other_frames",)),
    _fault("pairs never broken", "cells.py", 'config = cell.config()\n    training = broken(ready.parts["train"], cell.run.data, cell.seed)',
           'config = cell.config()\n    training = ready.parts["train"]',
           (f"{_CELLS}::test_broken_pairs_are_learned_from_and_the_test_stays_whole",)),
    _fault("pairs broken the same for every seed", "cells.py", "random.Random(seed).sample", "random.Random(0).sample",
           (f"{_CELLS}::test_broken_pairs_are_learned_from_and_the_test_stays_whole",)),
    _fault("frames never averaged", "cells.py", "return corpus, [thinned(clip, step, _averaged(dict(sets))) for clip in clips], unreadable",
           "return corpus, clips, unreadable", (f"{_CELLS}::test_frames_are_averaged_to_the_step_before_anything_is_learned",)),
    _fault("everything is measured again", "cells.py", "if condition not in measured]", "]", (f"{_CELLS}::test_nothing_is_done_twice_and_what_is_missing_is_added",)),
    _fault("trained again each time", "cells.py", "    if loaded is None:", "    if True:",
           (f"{_CELLS}::test_nothing_is_done_twice_and_what_is_missing_is_added",)),
    _fault("folders without the seed", "cells.py", "self._facts(), self.seed, *taken", "self._facts(), *taken",
           (f"{_CELLS}::test_the_folder_is_named_after_all_that_numbers_depend_on",)),
    _fault("seconds for milliseconds", "measuring.py", "return 1000 * _timed(lambda: [", "return 0 * _timed(lambda: [", _CONDITIONS),
    _fault("epochs miscounted", "cells.py", '"epochs": len(history)}', '"epochs": config.batch_size}', _CONDITIONS),
    _fault("more is better of errors too", "report.py", "sign = -1 if", "sign = 1 if", _REPORT),
    _fault("the test the other way round", "report.py", "matched_pairs([sign * v for v in ours], [sign * v for v in theirs])",
           "matched_pairs([sign * v for v in theirs], [sign * v for v in ours])", _REPORT),
    _fault("spread of the population", "report.py", "float(np.std(values, ddof=1)) if", "float(np.std(values)) if", _REPORT),
    _fault("two tails are matched", "report.py", "return two_tailed(ours, theirs)", "return matched_pairs(ours, theirs)", _REPORT),
    _fault("no stars", "report.py", '(found := filled.test(column, row)) and found.significant', "False", _REPORT),
    _fault("a curve from the wrong end", "report.py", "1 - float(words[-1]) if len(words) > 2", "float(words[-1]) if len(words) > 2", _REPORT),
    _fault("confusions of the first seed", "report.py", "for result in results], 0)", "for result in results[:1]], 0)", _REPORT),
    _fault("confusions shared out by the answer", "report.py", "np.maximum(counts.sum(1, keepdims=True), 1)", "np.maximum(counts.sum(0, keepdims=True), 1)", _REPORT),
    _fault("every head is the decision", "gathered.py", "metrics = measured.get(condition, {}).get(head, {})",
           'metrics = measured.get(condition, {}).get("decision", {})', _REPORT),
    _fault("every condition is whole", "gathered.py", "metrics = measured.get(condition, {}).get(head, {})",
           'metrics = measured.get("whole", {}).get(head, {})', _REPORT),
    _fault("recall of the answers", "gathered.py", "row[labels.index(label)] / sum(row) if sum(row)",
           'row[labels.index(label)] / sum(r[labels.index(label)] for r in metrics["confusion"]) if sum(row)', _REPORT),
    _fault("a row's strategy ignored", "plan.py", 'strategy=row.get("strategy", usual.strategy)', "strategy=usual.strategy", _PLAN),
    _fault("a row's settings ignored", "plan.py", '**row.get("training", {})}', "}", _PLAN),
    _fault("a row's data ignored", "plan.py", '**row.get("data", {})}', "}", _PLAN),
    _fault("a row's conditions ignored", "plan.py", "condition=protocol.condition(own.get(c.name, c.condition))", "condition=protocol.condition(c.condition)", _PLAN),
    _fault("a row's heads ignored", "plan.py", 'head=heads.get(c.name, row.get("head", c.head))', "head=c.head", _PLAN),
    _fault("a row's metric ignored", "plan.py", 'metric=row.get("metric", c.metric)', "metric=c.metric", _PLAN),
    _fault("zeros for a modality that is not there", "protocols.py", 'alone="absent",', "",
           ("tests/core/test_paper_size.py::test_goncalves2025versatile_puts_zeros_for_frames_and_leaves_out_a_modality",)),
    _fault("Aff-Wild2 split by drawn speakers", "protocols.py", 'on={"aff-wild2": {"split": "official"}},', "",
           ("tests/core/test_paper_size.py::test_where_the_paper_takes_the_corpus_own_split_its_protocol_does",)),
    _fault("a note of zeros where none are put", "plan.py", "any(papers.put(kind) != protocol.put(kind) for kind in takes)", "takes and papers.missing != protocol.missing",
           ("tests/core/test_paper_size.py::test_goncalves2025versatile_puts_zeros_for_frames_and_leaves_out_a_modality",)),
    _fault("a size's claims are the demo's", "gathered.py", "cell_of(row.run, corpus, seed, where).measured()", "cell_of(row.run, corpus, seed).measured()",
           ("tests/core/test_paper_size.py::test_what_is_gathered_is_of_the_size_that_was_asked_for",)),
    _fault("a corpus is never read again", "cells.py", "        _READ.reset(token)", "        pass",
           ("tests/core/test_paper_size.py::test_a_corpus_is_read_once_for_many_cells",)),
    _fault("the recipe ignored", "plan.py", "training = {**asdict(usual.config), ", "training = {", _PLAN),
)  # fmt: skip
