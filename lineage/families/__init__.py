"""Families of small networks whose whole ancestry is known: to learn from, and to measure verdicts on."""
