"""The report's sections, one module each: what stands in a section is decided in its module and nowhere else."""
