"""The sentence that an audit says: what was found, and no more."""

import dataclasses

import pytest
from known_verdicts import CANNOT_TELL, NONE, PARENT, family, verdict

from lineage.auditing.report.headline import headline_of, shown, within
from lineage.auditing.stages.verdict import Word
from lineage.relation.relations import Relation


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (PARENT, "c was fine-tuned from p (copy is a copy of it), or from a model within 12 % of its own change "
                 "from it (probability 0.99)."),
        (dataclasses.replace(PARENT, bound=0.0, probability=None, reason="the child has 50% zeros where p has none"),
         "c is p (copy is a copy of it), changed afterwards: the child has 50% zeros where p has none."),
        (verdict(Word.SAME, closest="p", parent="p", family=["p"]), "c has the same weights as p."),
        (verdict(Word.PARENT, closest="p", parent="p", family=["p", "q"], parents={"p": 0.7, "q": 0.3}),
         "c is a mixture of 0.70 p + 0.30 q."),
        (family(Relation.UNDETERMINED, bound=0.12, probability=0.5),
         "c is derived from the same family as p, q; closest: p; relation undetermined; it branched off within "
         "12 % of its own change from p."),
        (family(Relation.UNDETERMINED, bound=1.7),
         "c is derived from the same family as p, q; closest: p; relation undetermined."),
        (family(Relation.DESCENDANT, bound=0.9, probability=0.98),
         "c is of the same family as p, q; closest: p; a descendant of this network (probability 0.98)."),
        (family(Relation.INITIALISATION),
         "c is derived from the same family as p, q; closest: p; both were trained from the same initialisation."),
        (NONE, "None of the 5 candidates is related to c, as far as the order of neurons shows."),
        (CANNOT_TELL, "Whether c comes from one of the candidates cannot be told: why."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_found_and_no_more(found, sentence):
    assert headline_of("c", found, 5) == sentence


@pytest.mark.parametrize("relation", sorted(set(Relation) - {Relation.SAME}))
def test_no_sentence_says_fine_tuned_from_where_no_parent_is_named(relation):
    said = headline_of("c", family(relation), 2)
    assert "fine-tuned from" not in said
    assert "closest: p; " in said


@pytest.mark.parametrize(("bound", "percent"), [(0.12, 12), (0.1201, 13), (0.0, 0), (0.004, 1)])
def test_a_bound_is_never_rounded_down(bound, percent):
    assert within(bound) == f"within {percent} % of its own change"


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.994, "0.99"), (0.995, "> 0.99"), (1.0, "> 0.99"), (0.005, "0.01"), (0.0, "< 0.01")],
)
def test_no_probability_is_said_to_be_certain(probability, said):
    assert shown(probability) == said
