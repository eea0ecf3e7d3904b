"""Which of these models does a checkpoint come from, and how sure are we?

Checkpoints are read, never executed (`reading`), their tensors matched (`matching`) and tested for
independence (`exchangeability`); `verdict` says what follows, and `bundle` keeps the evidence.
"""
