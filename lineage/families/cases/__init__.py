"""Cases for audits whose answer is known, from families; and how often audits are right."""
