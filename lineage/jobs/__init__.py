"""What a Snakemake job needs."""
