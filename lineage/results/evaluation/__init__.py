"""From scores and predictions to verdicts, their accuracy and its interval."""
