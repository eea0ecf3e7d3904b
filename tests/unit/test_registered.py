"""What a configuration can name, read from the source, is what the library registers when it is imported."""

from lineage.experiment.registered import architectures, similarities
from lineage.networks.architectures import ARCHITECTURES
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES


def test_the_known_architectures_are_those_of_the_library():
    assert architectures() == list(ARCHITECTURES)


def test_the_known_similarities_are_those_of_the_library():
    assert similarities() == [*SIMILARITIES, *WEIGHT_SIMILARITIES]
