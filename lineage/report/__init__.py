"""What people look at: the page of results and the figures of papers, from Parquet alone; no torch is imported."""
