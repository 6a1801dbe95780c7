"""The card of imported predictions, like a checkpoint's."""

from __future__ import annotations

from affectscope.core.imports.model import UNASKED, Imported
from affectscope.core.library.cards import Card
from affectscope.core.text import shown

_LONGEST = 200


def imported_card(model: Imported) -> Card:
    """The card of an imported model."""
    own = model.entry
    lanes = ", ".join(dict.fromkeys(f"{modality}{f' ({name})' if name else ''}" for modality, name in own.attention))
    facts = {
        "Table": own.file, "Imported": own.added[:10], "Clips": f"{own.clips:,}, {own.labelled:,} of them with a true label",
        "Numbers": ", ".join(f"{head}: {scale}" for head, scale in own.scale.items()),
        "Decision": f"that of the head {own.decision}" if own.heads else "", "Attention": lanes,
        "Embeddings": "; ".join(own.embeddings),
    }  # fmt: skip
    told = {name: shown(text, _LONGEST) for name, text in facts.items() if text}
    return Card(
        model.spec,
        0,
        own.prediction_table.stat().st_size,
        {},
        {},
        {},
        incompatible=UNASKED,
        imported=told,
        problems=own.problems,
        count=own.count,
        remarks=own.notes,
    )
