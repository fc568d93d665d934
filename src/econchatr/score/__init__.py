"""score: records -> measured values, each with its interval and n."""
