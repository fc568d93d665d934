"""Read a folder of transcripts and flag all turns; print seconds, memory, and what was flagged.

python benchmarks/parse_folder.py FOLDER "Host Name" ["Host Name" ...]
python benchmarks/parse_folder.py FOLDER "Host Name" --half     # every second file, to see that time is linear
"""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from pathlib import Path

from written_tables import tell_usage

from econchatr.errors import TranscriptError
from econchatr.parse import SpeakerTable, count_flagged, flag_turns, make_slug, parse_file, unify_speakers
from econchatr.records import Turn


def main() -> None:
    """Measure one folder."""
    folder, *hosts = (one for one in sys.argv[1:] if one != "--half")
    show = SpeakerTable(hosts=tuple(hosts))
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())[:: 2 if "--half" in sys.argv else 1]
    turns, refused, taken, readers = list[Turn](), 0, set[str](), Counter[str]()
    ends = Counter[str]()
    begin, n_words = (time.perf_counter(), time.process_time()), 0
    for path in files:
        try:
            parsed = parse_file(path.read_bytes(), location=path.name, show=show, slug=make_slug(path.name, taken))
        except TranscriptError:
            refused += 1
            continue
        taken.add(parsed.episode.slug)
        readers[parsed.episode.reader] += 1
        turns += parsed.turns
        n_words += parsed.episode.n_words
        for end in ("placed", "unplaced", "markup", "white"):
            ends[end] += getattr(parsed.episode, f"n_{end}_chars")
    parsed_at = time.perf_counter(), time.process_time()
    turns = flag_turns(unify_speakers(turns, show), hosts=show.hosts)
    flagged_at = time.perf_counter(), time.process_time()
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(files)} files, {refused} refused, {n_words:,} words, {len(turns):,} turns, readers {dict(readers)}")
    for clock, name in enumerate(("wall", "processor")):
        print(
            f"{name}: parse {parsed_at[clock] - begin[clock]:.1f} s, flags {flagged_at[clock] - parsed_at[clock]:.1f} s"
        )
    print(f"{memory_mb} MB at most")
    flagged = count_flagged(turns)
    ends.update(placed=-flagged.n_chars, flagged=flagged.n_chars)
    print(f"characters: {sum(ends.values()):,} = " + " + ".join(f"{n:,} {end}" for end, n in ends.items()))
    print("flagged characters: " + ", ".join(f"{kind} {n:,}" for kind, n in flagged.by_kind.items()))
    kinds = Counter(flag.kind for turn in turns for flag in turn.list_flags())
    print("flags: " + ", ".join(f"{kind} {n:,}" for kind, n in kinds.most_common()))


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
