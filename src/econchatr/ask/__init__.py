"""ask: questions x models -> answers."""
