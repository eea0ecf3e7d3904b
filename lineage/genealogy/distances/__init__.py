"""How far the models of a family are from each other, and the matrices that tell it."""
