"""The findings of running a backward pass on many layers: layer by layer, and in one sentence for all."""

import platform
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, combinations
from math import prod
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from cnngrad import __version__
from cnngrad.arrays import Array, Arrays
from cnngrad.causes.catalogue import CATALOGUE, PLACES, told
from cnngrad.causes.evaluate import made
from cnngrad.causes.recipe import Recipe, recipe_by, right_recipe
from cnngrad.causes.search import named_factors
from cnngrad.checks.report import Compared, Graded, GradientReport, labelled, sentences
from cnngrad.derivation.blocks import Code, Heading, ReportBlock, Sentence, Table, Together
from cnngrad.layer import Layer, Relation, counted, joined
from cnngrad.layer.expansion import Term
from cnngrad.layer.names import Symbol
from cnngrad.programs.suites import CONDITIONS, Condition, SuiteLayer
from cnngrad.programs.verdicts import Fault, Result, Verdict, grouped
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import RESULTS, O, Tensor, W, X

# Numbers of a layer, in words.
Counts = Mapping[str, Callable[[Layer], int]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one layer.

    Attributes:
        layer: the layer.
        end: why there are no results to judge; None if there are some.
        results: the verdict on each array.
        said: the end of the program's output to standard error.
        note: how its results were understood, in a sentence; may be empty.
        faults: what is wrong beside the arrays.
        claims: the arrays that were judged, as the program gave them.
    """

    layer: SuiteLayer
    end: Result | None
    results: dict[Tensor, Result] = field(default_factory=dict)
    said: str = ""
    note: str = ""
    faults: tuple[Fault, ...] = ()
    claims: Arrays = field(default_factory=dict, compare=False, repr=False)

    @property
    def status(self) -> str:
        """Why there are no results to judge, in words; empty if there are some."""
        return self.end.status if self.end else ""

    @property
    def verdicts(self) -> set[Verdict]:
        """The verdict on the run, or the verdicts on its arrays."""
        return {found.verdict for found in ([self.end] if self.end else self.results.values())}

    @property
    def was_tried(self) -> bool:
        """Whether the program was run on the layer, and supports it."""
        return self.verdicts.isdisjoint((Verdict.SKIPPED, Verdict.NOT_RUN))

    @property
    def passed(self) -> bool | None:
        """Whether all results are right; None for a layer that was skipped, was not run, or can't be judged."""
        return all_passed([not self.faults, *(verdict.passed for verdict in self.verdicts)])

    def as_json(self) -> Json:
        """As plain data."""
        return {
            "name": self.layer.name,
            "layer": self.layer.layer.as_json(),
            "shows": list(self.layer.shows),
            "passed": self.passed,
            "status": self.status,
            "results": {
                tensor.key: {"passed": result.verdict.passed}
                | _named(result.mistakes)
                | {"status": result.status, "hint": result.hint}
                for tensor, result in self.results.items()
            },
        }


def all_passed(each: Iterable[bool | None]) -> bool | None:
    """Whether all pass; False if one does not, else None if that is not known of one."""
    found = set(each)
    return False if False in found else None if None in found else True


def _named(mistakes: Sequence[str]) -> Json:
    """Mistakes in JSON: the first one, and those made together with it."""
    return {"mistake": next(iter(mistakes), None), "and": list(mistakes[1:])}


@dataclass(frozen=True)
class Explanation:
    """Mistakes that are made together, and explain arrays of several failing layers.

    Attributes:
        mistakes: their ids.
        hint: what they are, and how to fix them.
        outcomes: the failing layers in which they explain an array.
    """

    mistakes: tuple[str, ...]
    hint: str
    outcomes: Sequence[Outcome]

    @property
    def explains(self) -> int:
        """The number of these layers."""
        return len(self.outcomes)

    def as_json(self) -> Json:
        """As plain data."""
        layers = [outcome.layer.name for outcome in self.outcomes]
        return _named(self.mistakes) | {"hint": self.hint, "explains": self.explains, "layers": layers}


@dataclass(frozen=True, repr=False)
class Findings:
    """The findings in all layers.

    Attributes:
        outcomes: the outcome of each layer.
        explanations: the mistakes behind the failures, those that explain most first; empty if they explain too few.
        smallest: the smallest layer found to fail in this way; None if no layer fails.
        command: the command that runs that layer alone; empty in Python.
        compared: for every wrong array of that layer, the worst element as the program computes it, beside the right
            sum.
        others: the other elements of these arrays, in the same form; empty if not all could be read.
        note: further findings about the program, in sentences; may be empty.
        whole: all layers of the suite from which these were chosen; empty if they are the user's own.
        explained: whether `others` is shown too.
        alike: smaller layers that fail too.
        alone: whether the smallest layer fails in a new process too, without the layers before it.
        run: the facts of the run for JSON, as `facts_of_run` gives them.
        title: the heading of a document.
    """

    outcomes: list[Outcome]
    explanations: Sequence[Explanation] = ()
    smallest: SuiteLayer | None = None
    command: str = ""
    compared: Sequence[Compared] = ()
    others: Sequence[Compared] = ()
    note: str = ""
    whole: Sequence[SuiteLayer] = ()
    explained: bool = False
    alike: Sequence[Layer] = ()
    alone: bool = True
    run: Json = field(default_factory=dict)

    title = "cnngrad check --run"

    @property
    def explanation(self) -> Explanation | None:
        """The mistakes that explain most of the failures; None if there are none."""
        return next(iter(self.explanations), None)

    @property
    def failing(self) -> list[Outcome]:
        """The layers that fail."""
        return [outcome for outcome in self.outcomes if outcome.passed is False]

    @property
    def faults(self) -> dict[Fault, list[str]]:
        """What is wrong beside the arrays, with the names of the layers that show it."""
        found = grouped((fault, outcome.layer.name) for outcome in self.outcomes for fault in outcome.faults)
        if self.condition:
            # Some conditions are things that a layer has.
            word = "where" if re.search("[<>]", self.condition) else "with"
            fault = Fault("depends-on-shape", f"it fails {word} {self.condition}")
            found[fault] = [outcome.layer.name for outcome in self.failing]
        return found

    @cached_property
    def condition(self) -> str:
        """What the failing layers have and no right one, such as `channels > 8`; empty if mistakes explain them."""
        right = [outcome.layer.layer for outcome in self.outcomes if outcome.passed]
        if not right or self.smallest is None or any(outcome.faults for outcome in self.failing):
            return ""
        # A mistake that right layers would show does not explain alone why others fail.
        shown = {name for outcome in self.outcomes if outcome.passed for name in outcome.layer.shows}
        telling = [each.outcomes for each in self.explanations if {*each.mistakes} - shown]
        if len({outcome.layer.name for outcome in chain(*telling)}) == len(self.failing):
            return ""
        layers = [*right, *(outcome.layer.layer for outcome in self.failing), *self.alike, self.smallest.layer]
        is_wrong = np.arange(len(layers)) >= len(right)
        fits = {words: np.array([*map(test, layers)]) for words, test in _PREDICATES.items()}
        fits |= _limits(_COUNTS, layers, is_wrong)
        fits |= {f"{one} and {other}": fits[one] & fits[other] for one, other in combinations(CONDITIONS, 2)}
        # Of what separates the layers, options tell more than sizes.
        fits |= _limits(_SIZES, layers, is_wrong)
        return next((words for words, found in fits.items() if (found == is_wrong).all()), "")

    @property
    def tried(self) -> list[Outcome]:
        """The layers on which the program was run, and which it supports."""
        return [outcome for outcome in self.outcomes if outcome.was_tried]

    @property
    def counts(self) -> dict[str, int]:
        """How many layers are right, wrong and so on; each is counted once."""
        judged = [outcome.passed for outcome in self.tried]
        skipped = sum(Verdict.SKIPPED in outcome.verdicts for outcome in self.outcomes)
        found = {"right": judged.count(True), "wrong": judged.count(False), "not_judged": judged.count(None)}
        return found | {"not_run": len(self.outcomes) - len(judged) - skipped, "skipped": skipped}

    @property
    def passed(self) -> bool | None:
        """Whether all supported layers pass; None if there are none, or one of them can't be judged."""
        return all_passed(outcome.passed for outcome in self.tried) if self.tried else None

    def __bool__(self) -> bool:
        """Whether all passed."""
        return self.passed is True

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A table of the layers, the output of failing runs, the smallest failing layer, and the summary."""
        shown = [tensor for tensor in RESULTS if any(tensor in outcome.results for outcome in self.outcomes)]
        headings = [tensor.title for tensor in shown] or ["outcome"]
        rows = []
        faults = self.faults
        if faults:
            headings.append("calls")
        for outcome in self.outcomes:
            cells = [outcome.results[tensor].word if tensor in outcome.results else "" for tensor in shown]
            if outcome.end:
                cells[:1] = [outcome.status]
            if faults:
                cells.append("+".join(dict.fromkeys(fault.id for fault in outcome.faults)))
            rows.append((outcome.layer.name, *cells))
        yield Table(("layer", *headings), tuple(rows), wrapped=True)
        yield from _said(self.outcomes)
        if (layer := self.smallest) is not None:
            is_given = any(layer is outcome.layer for outcome in self.outcomes)
            heading = Heading((f"The smallest layer that fails{f': {layer.name}' if is_given else ''}",))
            command = [Code((self.command,))] if self.command else []
            yield Together((heading, Sentence((layer.layer.describe(),), strong=True), *command))
            for compared in (*self.compared, *(self.others if self.explained else ())):
                yield Together((Sentence((str(compared.right.target),)), labelled(compared)))
        if self.others and not self.explained:
            others = counted(len(self.others), "other element")
            yield Sentence((f"{others} can be shown in the same way: --explain shows all.",))
        if self.note:
            yield Sentence((self.note,))
        yield Sentence((self.summary,), strong=True)

    def __repr__(self) -> str:
        """The summary in a line."""
        return f"<cnngrad findings: {self.summary}>"

    @property
    def left_out(self) -> list[Layer]:
        """The layers of the suite that were not run, were changed by `without`, or are not supported by the program."""
        run = {outcome.layer.name for outcome in self.outcomes}
        found = [layer.instead_of or layer.layer for layer in self.whole if layer.instead_of or layer.name not in run]
        return found + [outcome.layer.layer for outcome in self.outcomes if self.whole and not outcome.was_tried]

    @property
    def never_tried(self) -> list[str]:
        """The conditions that some of the suite's layers meet, but no layer on which the program was run."""
        left = self.left_out
        tried = [outcome.layer.layer for outcome in self.tried]
        return [words for words, test in CONDITIONS.items() if any(map(test, left)) and not any(map(test, tried))]

    @property
    def summary(self) -> str:
        """One sentence for all layers."""
        return f"{'; '.join(self._phrases())}."

    def _phrases(self) -> Iterator[str]:
        right, failing, unjudged, left, skipped = self.counts.values()
        count = counted(len(self.outcomes), "layer")
        if failing:
            beside = f" ({skipped} skipped: not supported)" if skipped else ""
            yield f"{failing} of {count} {'fails' if failing == 1 else 'fail'}{beside}"
            if unjudged:
                yield f"{unjudged} can't be judged"
            if left:
                yield f"not run: {counted(left, 'layer')} (--no-give-up runs all)"
            if self._in_common:
                yield f"all failing layers have {self._in_common}"
            causes = [*self._causes()]
            yield from causes
            # A fault may be a cause.
            yield from (fault.says for fault in self.faults if not any(fault.says in cause for cause in causes))
            if left:
                return
        elif self:
            yield "The layer passes" if right == 1 else f"All {right} layers pass"
        else:
            yield f"{unjudged} of {count} can't be judged" if unjudged else "No layer was judged"
        if skipped and not failing:
            yield f"{skipped} skipped (not supported)"
        others = len(self.whole) - len(self.outcomes)
        if names := self.never_tried:
            untried = sum(any(CONDITIONS[words](layer) for words in names) for layer in self.left_out)
            were = "was" if len(names) == 1 else "were"
            yield f"{joined(names)} {were} never tried: {counted(untried, 'layer')} left out"
        elif others > 0:
            yield f"{counted(others, 'other layer')} of the suite not run"

    def _causes(self) -> Iterator[str]:
        """Phrases on the mistakes behind the failures, or else on wrong shapes, and on runs that ended otherwise."""
        for each in self.explanations:
            cause = f"explained by {'+'.join(each.mistakes)}" if each.mistakes else "wrong otherwise"
            yield f"{self._which(each.outcomes)} {'are' if each.outcomes[1:] else 'is'} {cause}: {each.hint}"
        found = [(outcome, each) for outcome in self.failing for each in outcome.results.values()]
        reports = [each.report for _, each in found if each.verdict is Verdict.WRONG and not each.precision]
        unknown = [report for report in reports if isinstance(report, Graded)]
        if unknown and not self.explanations and not any(outcome.faults for outcome in self.outcomes):
            yield _unexplained(unknown)
        fewer = {outcome.layer.name: outcome for outcome, each in found if each.precision}
        # The most frequent one.
        for phrase, _ in Counter(each.precision for _, each in found if each.precision).most_common(1):
            where = "" if len(fewer) == len(self.failing) else f"in {self._which([*fewer.values()])} "
            yield f"{where}it {phrase}"
        shapes = [outcome for outcome in self.failing if Verdict.WRONG_SHAPE in outcome.verdicts]
        if shapes and not self.explanations:
            yield f"{self._which(shapes)} {'give' if shapes[1:] else 'gives'} an array of a wrong shape"
        for status, ended in grouped((outcome.status, outcome) for outcome in self.failing).items():
            if status and len(ended) < len(self.failing):
                yield f"{self._which(ended)} {'have' if ended[1:] else 'has'} no results: {status}"
        for outcome, result in found:
            if result.verdict is Verdict.VARIES and result.hint:
                yield f"in {outcome.layer.name} {result.hint}"
                break

    def _which(self, outcomes: Sequence[Outcome]) -> str:
        """The number of some failing layers, with their names and what they have in common unless they are all."""
        if len(outcomes) == len(self.failing):
            return "all" if outcomes[1:] else "it"
        names = [outcome.layer.name for outcome in outcomes]
        common = self._common(outcomes)
        common = "" if common == self._in_common else common
        named = joined(names if len(names) <= _MOST_NAMED else [*names[:_MOST_NAMED], "others"])
        return f"{len(names)} ({named}{common and f'; all have {common}'})"

    @cached_property
    def _in_common(self) -> str:
        """The property of all failing layers, unless it is known as the condition."""
        return "" if self.condition else self._common(self.failing)

    def _common(self, outcomes: Sequence[Outcome]) -> str:
        """The property of some layers that the fewest others share; empty if most of these share it."""
        here = [outcome.layer.layer for outcome in outcomes]
        others = [each.layer.layer for each in self.tried if each.layer.layer not in here]
        fitting = {word: sum(map(test, others)) for word, test in _PREDICATES.items() if all(map(test, here))}
        word = min(fitting, key=fitting.__getitem__, default="")
        return word if word and len(here) > 1 and 2 * fitting[word] <= len(others) > 0 else ""

    def as_json(self) -> Json:
        """As plain data, with the keys that `cnngrad check --run --json` prints."""
        explanations = [each.as_json() | {"failing": len(self.failing)} for each in self.explanations]
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "score": self.counts["right"] / len(self.outcomes),
            "counts": self.counts,
            **self.run,
            "layers": [outcome.as_json() for outcome in self.outcomes],
            "explanation": next(iter(explanations), None),
            "explanations": explanations,
            "smallest": self.smallest and {"problem": self.smallest.problem, "command": self.command},
            "expansions": [
                {
                    "element": compared.right.target.name,
                    "yours": compared.made and list(map(_product, compared.made.terms)),
                    "right": list(map(_product, compared.right.terms)),
                }
                for compared in (*self.compared, *self.others)
            ],
            "faults": [
                {"fault": fault.id, "says": fault.says, "layers": names} for fault, names in self.faults.items()
            ],
            "note": self.note,
            "never_tried": self.never_tried,
            "left_out": len(self.left_out),
        }


def facts_of_run(begun: float, seed: int, command: str = "") -> Json:
    """What JSON says of a run that began at a time of `time.monotonic`."""
    versions = {"cnngrad": __version__, "python": platform.python_version(), "numpy": np.__version__}
    return {"seconds": round(time.monotonic() - begun, 3), "seed": seed, "versions": versions, "command": command}


def _product(term: Term) -> Json:
    names = [factor.name for factor in term.factors if isinstance(factor, Symbol)]
    # A coefficient other than 1 comes first.
    coefficient = next((factor for factor in term.factors if isinstance(factor, int | float)), 1)
    return {"factors": names, "coefficient": float(coefficient)}


def _unexplained(reports: Sequence[Graded]) -> str:
    """That no known mistake gives these arrays, and where their wrong elements are in all layers."""
    found = []
    for tensor, some in grouped((report.gradient, report) for report in reports).items():
        masks = [report.canonical[-1] for report in some]
        layer = some[0].layer
        if all(mask.all() for mask in masks):
            found.append(f"all elements of {tensor.title}")
            continue
        for axis, word in zip(range(masks[0].ndim), (*layer.lead_words(tensor), *layer.axis_words), strict=False):
            places = [(np.nonzero(mask)[axis], mask.shape[axis] - 1) for mask in masks]
            fits = (words for words, test in _ENDS.items() if all(test(*place).all() for place in places))
            if any(last > 0 for _, last in places) and (words := next(fits, "")):
                found.append(f"only elements of {tensor.title} {words} {word}")
    where = f": {joined(found)} are wrong" if found else ""
    return f"no known mistake gives it{where}"


# Where the wrong elements may be on an axis, in words, by their positions and the last one.
_ENDS: dict[str, Callable[[Array, int], Array]] = {
    "in the first": lambda places, _: places == 0,
    "in the last": lambda places, last: places == last,
    "outside the first": lambda places, _: places > 0,
    "outside the last": lambda places, last: places < last,
}


class Wrong(NamedTuple):
    """A wrong array of a failing layer, the mistakes that explain it with their recipe, and its report."""

    outcome: Outcome
    known: dict[tuple[str, ...], Recipe | None]
    report: GradientReport

    def by(self, mistakes: Iterable[str]) -> set[str]:
        """Those of some mistakes that take part in explanations by these mistakes alone."""
        return {name for names in self.known if {*names} <= {*mistakes} for name in names}

    def is_given_by(self, recipe: Recipe) -> bool:
        """Whether a recipe gives the array's numbers: of a few numbers no mistake and no relation can be read."""
        layer = self.outcome.layer
        given = layer.layer.layouts.standard(self.report.gradient, self.report.analytic)
        gives = made(recipe, layer.data)
        return gives.shape == given.shape and np.allclose(gives, given)

    def made_by(self, name: str) -> Iterator[Recipe]:
        """The ways to make a mistake of the catalogue that give its numbers."""
        layer = self.outcome.layer.layer
        right = right_recipe(layer.conv, layer.role[self.report.gradient])
        return filter(self.is_given_by, CATALOGUE[PLACES[name]].changed(right))


def explain(outcomes: Sequence[Outcome]) -> list[Explanation]:
    """The fewest mistakes that explain the most wrong arrays, then those that explain the most of the others.

    None are given if no mistake is known.
    """
    wrong = [
        Wrong(outcome, {**found.explanations}, found.report)
        for outcome in outcomes
        for found in outcome.results.values()
        if found.verdict.passed is False and found.report is not None
    ]
    hints = _BESIDE | _see_fixed_numbers(wrong)
    _see_few_numbers(wrong)
    passing = [set(outcome.layer.shows) for outcome in outcomes if outcome.passed and wrong]

    def rank(names: tuple[str, ...]) -> tuple[int, int, list[int]]:
        return len(names), sum(map(set(names).issubset, passing)), [PLACES.get(name, -1) for name in names]

    chosen = list[tuple[str, ...]]()
    mistakes = set[str]()
    rest = wrong
    while explained := Counter(names for each in rest for names in each.known):
        best = max(sorted(explained, key=rank), key=explained.__getitem__)
        others = [each for each in rest if not each.by(mistakes.union(best))]
        # The name of one array may be a coincidence.
        if others and explained[best] == 1 and (chosen or len(_by_layer(wrong)) > 1):
            break
        chosen = [*chosen, best]
        mistakes = mistakes.union(best)
        rest = others
    explained_by: dict[tuple[str, ...], Sequence[Wrong]] = {
        names: [each for each in wrong if each.by(mistakes).issuperset(names)] for names in chosen
    }
    if chosen and rest:
        explained_by[()] = rest
    return [_explanation(names, some, wrong, hints) for names, some in explained_by.items()]


def _by_layer(wrong: Iterable[Wrong]) -> dict[str, Outcome]:
    return {each.outcome.layer.name: each.outcome for each in wrong}


def _explanation(
    names: tuple[str, ...], explained: Sequence[Wrong], wrong: Sequence[Wrong], hints: Mapping[str, str]
) -> Explanation:
    """The explanation of some of the wrong arrays by mistakes; `hints` has those of mistakes outside the catalogue."""
    tensors, every = (dict.fromkeys(each.report.gradient.title for each in some) for some in (explained, wrong))
    where = "" if tensors == every else f"in {joined([*tensors])} "
    hint = hints.get("".join(names))
    if not names:
        hint = _unexplained([each.report for each in explained if isinstance(each.report, Graded)])
    if hint is None:
        tensor = explained[0].report.gradient
        layer = explained[0].outcome.layer.layer
        recipes = [(each.outcome.layer.name, recipe) for each in explained if (recipe := each.known.get(names))]
        detail = told(layer, tensor, _shared(recipes))
        words = [CATALOGUE[PLACES[name]].words(tensor, layer) for name in names]
        says = " and ".join(says for says, _ in words) + (detail and f" ({detail})")
        hint = f"{says}. To fix it: {'; and '.join(fix for _, fix in words)}"
    return Explanation(names, where + hint, [*_by_layer(explained).values()])


def _see_fixed_numbers(wrong: Sequence[Wrong]) -> dict[str, str]:
    """Add an explanation to the arrays that use one number in place of several of the layers'; its hint."""
    seen = list[tuple[tuple[int, int], int]]()
    for each in wrong:
        right = np.abs([axis.relation for axis in each.outcome.layer.layer.axes])
        used = np.abs(each.report.relations or right)
        off = used != right
        fixed = [*zip(np.nonzero(off)[1].tolist(), used[off].tolist(), strict=True)]
        if len({*fixed}) == 1:
            seen += zip(fixed, right[off].tolist(), strict=True)
    groups = grouped(seen) or {(0, 1): []}
    place, number = max(groups, key=lambda pair: len(groups[pair]))
    name, words, usual = _FIXED[place]
    replaced = {*groups[place, number]}
    least, above = (usual, f" above {usual}") if min(replaced, default=0) > usual else (-1, "")
    # That the usual number is used for all has a name of its own.
    for each in wrong if len(replaced) > 1 and number != usual else ():
        layer = each.outcome.layer.layer
        made_with = {Relation._fields[place]: -number if place == 2 else number}
        every = [axis.relation for axis in layer.axes]
        relations = [right._replace(**made_with) if abs(right[place]) > least else right for right in every]
        if [*each.report.relations] == relations or each.is_given_by(recipe_by(layer, each.report.gradient, relations)):
            each.known[name,] = None
    return {name: f"{words.format(number)}{above}. To fix it: use the layer's own number, on each axis"}


def _see_few_numbers(wrong: Sequence[Wrong]) -> None:
    """Add the commonest mistakes to arrays of few numbers that they give too: these show none, or another by chance."""
    named = Counter(names[0] for each in wrong for names in each.known if len(names) == 1 and names[0] in PLACES)
    for each in wrong:
        is_few = np.count_nonzero(each.report.analytic) <= _FEW_NUMBERS
        is_beside = PLACES.keys().isdisjoint(chain(*each.known))
        for name, _ in named.most_common(_MOST_TRIED) if is_few or is_beside else ():
            for recipe in each.made_by(name):
                each.known.setdefault((name,), recipe)
        # A part that is left out may be all that there is.
        if ("zero",) in each.known and named.most_common(1)[0][0] == "incomplete":
            each.known.setdefault(("incomplete",), None)


def _shared(recipes: Sequence[tuple[str, Recipe]]) -> str:
    """The detail that the recipes of most layers share, or the names that all of their factors have; may be empty.

    Of details that differ only in numbers, and in what these are, the first layer's is an example.
    """
    factors = [(name, recipe, named_factors(recipe.layer).get(recipe.factor, [])) for name, recipe in recipes]
    kinds = (
        [(recipe.detail, recipe.detail, name) for name, recipe in recipes],
        [(word, f"by {word}", name) for name, _, words in factors for word in words],
        [(_NUMBER.sub("", recipe.detail), f"in {name}: {recipe.detail}", name) for name, recipe in recipes],
    )
    every = {name for name, _ in recipes}
    best = set[str]()
    told = ""
    for kind in kinds:
        for layers in grouped((key, (says, name)) for key, says, name in kind if key).values():
            names = {name for _, name in layers}
            if len(names) > len(best):
                best, told = names, layers[0][0]
                if kind is not kinds[-1] and best != every:
                    told = f"{told} in {len(best)} of {len(every)} layers"
    return told if 2 * len(best) > len(every) else ""


# Mistakes outside the catalogue.
_BESIDE = {
    "not-finite": "some numbers are NaN or infinite. To fix it: look for a division by 0, for memory that is never "
    "filled, or for numbers too large for their type",
    "truncated": "every element is cut to a whole number. To fix it: use an array of floats",
}

# A number in a detail, and what it is.
_NUMBER = re.compile(r"-?\d+( \([^)]*\))?")
# Numbers that may be used in place of the layer's, in the order of a relation's: id, words, and the usual number.
_FIXED = (
    ("stride-fixed", "your windows move by {}, whatever the stride", 1),
    ("dilation-fixed", "the elements of your filter stand {} apart, whatever the dilation", 1),
    ("padding-fixed", "your windows begin {} in front of X, whatever the padding", 0),
)

# The most mistakes of other arrays that are tried on an array that shows none.
_MOST_TRIED = 3
# They are also tried on an array with at most this many numbers other than 0.
_FEW_NUMBERS = 8
# Sizes of tiles, and numbers on which a fault may depend, in words.
_TILES = (2, 4, 8, 16, 32)
_COUNTS: Counts = {
    **{name: attrgetter(name) for name in ("batch", "channels", "filters", "groups")},
    "stride": lambda layer: max(axis.stride for axis in layer.axes),
    "dilation": lambda layer: max(axis.dilation for axis in layer.axes),
    "padding − d·(k − 1)": lambda layer: max(max(axis.before, axis.after) - axis.span + 1 for axis in layer.axes),
}
_SIZES: Counts = {
    "an axis of W": lambda layer: max(layer.kernel),
    "elements of X": lambda layer: prod(layer.canonical[X]),
    "elements of W": lambda layer: prod(layer.canonical[W]),
    "elements of O": lambda layer: prod(layer.canonical[O]),
    "the width of O": lambda layer: layer.out[-1],
    "the height of O": lambda layer: layer.out[-2:][0],
}
# Properties that failing layers may have in common, in words.
_PREDICATES: dict[str, Condition] = CONDITIONS | {
    "a kernel larger than 1": lambda layer: prod(layer.kernel) > 1,
    "rows left over by the stride": lambda layer: any(axis.conv.leftover for axis in layer.axes),
    "strides that differ": lambda layer: len({axis.stride for axis in layer.axes}) > 1,
}


def _limits(counts: Counts, layers: Sequence[Layer], is_wrong: Array) -> dict[str, Array]:
    """Which layers are beyond a limit that the failing ones have in common, or no multiple of a tile, in words."""
    fits = {}
    for words, count in counts.items():
        numbers = np.array([*map(count, layers)])
        least = numbers[is_wrong].min()
        most = numbers[is_wrong].max()
        fits[f"{words} > {least - 1}"] = numbers >= least
        fits[f"{words} < {most + 1}"] = numbers <= most
        for tile in _TILES:
            fits[f"{words} > {tile} is no multiple of {tile}"] = (numbers > tile) & (numbers % tile > 0)
    return fits


# Of more layers than this, the others are not named.
_MOST_NAMED = 4
# The most lines shown of a failed program's standard error.
_MOST_LINES = 5
# A line that names an error; lines of a stack are indented or begin with a number.
_ERROR = re.compile(r"(?i)(?![\s#\d]).*(error|exception|panic(ked)?|fatal|assert\w*|fault|caused by)\b")


def _said(outcomes: Iterable[Outcome]) -> Iterator[ReportBlock]:
    """The last lines of a failed program's output, once for all layers with the same end; and why it skips some."""
    seen = set[str]()
    for outcome in outcomes:
        heading = f"{outcome.layer.name}: {outcome.status}"
        said = outcome.said.rstrip()
        kind = outcome.status if outcome.was_tried else said.strip()
        if not said.strip() or kind in seen:
            continue
        seen.add(kind)
        if outcome.was_tried:
            lines = [f"  {line[:200]}" for line in _excerpt(said.splitlines())]
            yield Together(sentences([f"{heading}; the program wrote:", *lines]))
        else:
            yield Sentence((f"{heading}: {kind}",))


def _excerpt(lines: list[str]) -> list[str]:
    """The last lines, or those from the last line that names an error, which a stack of calls may follow."""
    errors = (number for number, line in enumerate(lines) if _ERROR.match(line))
    first = min(max(errors, default=len(lines)), max(len(lines) - _MOST_LINES, 0))
    return lines[first : first + _MOST_LINES]
