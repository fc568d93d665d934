"""Count what is hidden as private in a folder of transcripts: by the patterns, and with Presidio set up for speech.

python benchmarks/private_data.py FOLDER             # needs: pip install -e '.[presidio]'
python benchmarks/private_data.py FOLDER --as-it-comes 8000     # and Presidio with its own settings, on so many turns
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from written_tables import tell_usage

from econchatr.errors import TranscriptError
from econchatr.pair import clean_speech, hide_private, open_presidio
from econchatr.parse import SpeakerTable, parse_file

MARK = re.compile(r"\[(?:account|address|card|email|id|key|link|phone)\]")


def main() -> None:
    """Measure one folder."""
    texts = read_texts(Path(sys.argv[1]))
    print(f"{len(texts):,} turns, {sum(len(text.split()) for text in texts):,} words")
    count("patterns", hide_private, texts)
    count("presidio", open_presidio(), texts)
    if "--as-it-comes" in sys.argv:
        Random(1).shuffle(texts)
        list_hits(texts[: int(sys.argv[-1])])


def read_texts(folder: Path) -> list[str]:
    """What was said in every turn, cleaned; turns without a word are left out."""
    texts = list[str]()
    for path in sorted(folder.rglob("*.md")):
        try:
            turns = parse_file(path.read_bytes(), location=path.name, show=SpeakerTable(hosts=())).turns
        except TranscriptError:
            continue
        texts += filter(None, (clean_speech(turn.text) for turn in turns))
    return texts


def count(name: str, hide: Callable[[str], str], texts: Sequence[str]) -> None:
    """Print the marks that `hide` leaves, and its seconds."""
    start = time.process_time()
    marks = Counter(mark for text in texts for mark in MARK.findall(hide(text)))
    print(f"{name}: {dict(marks)}, {time.process_time() - start:.1f} processor seconds")


def list_hits(texts: Sequence[str]) -> None:
    """Print each hit of Presidio's English recognisers as they come, without a language model, to be looked at."""
    import spacy
    import tldextract.tldextract as domains
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # Its list of domain endings as it was installed: by default it asks the network for a newer one.
    domains.TLD_EXTRACTOR = domains.TLDExtract(suffix_list_urls=(), cache_dir=None)
    words, registry = SpacyNlpEngine(), RecognizerRegistry()
    words.nlp = {"en": spacy.blank("en")}
    registry.load_predefined_recognizers(languages=["en"])
    engine = AnalyzerEngine(registry=registry, nlp_engine=words)
    for text in texts:
        for hit in engine.analyze(text, language="en"):
            around = text[max(0, hit.start - 30) : hit.start], text[hit.start : hit.end], text[hit.end : hit.end + 15]
            print(hit.entity_type, round(hit.score, 2), *around, sep=" | ")


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
