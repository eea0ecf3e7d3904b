"""Scores that are learnt."""
