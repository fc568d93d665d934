"""What all records share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["host", "guest", "other"]
EpisodeKind = Literal["verbatim", "unlabelled", "notes"]
Split = Literal["train", "dev", "test"]
PairOrigin = Literal["said", "asked", "made"]
"""`said`: as it stands in the transcript. Else an answer pair, whose question was really asked, or made."""
QuestionKind = Literal["belief", "quotation", "idea", "joke", "fact"]
Variant = Literal["base", "persona", "retrieval", "tuned", "grounded"]
"""How a question was put: as it is, with a persona prompt, with real turns found for it; to the tuned model; both."""
DatePrecision = Literal["day", "month", "season", "none"]
Grade = Literal["exact", "near", "wrong", "unmarked"]


class Record(BaseModel):
    """What all records share: frozen, and no key that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
