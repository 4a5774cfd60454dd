"""Boosted trees that split on categories, as ONNX: the converter takes their splits for thresholds, and errs.

Each split by a set of categories becomes a column that a table tells by the category's code: 0 goes left, 1
goes right. On these columns and the numbers the trees split by thresholds only, which the converter knows.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

_TREE_INPUTS: Final = "tree_inputs"
_LEFT: Final = 0.5


@dataclass(eq=False)
class _Column:
    """A column of categories: what tells each code's side, for every split on it."""

    place: int
    """Among the inputs."""
    categories: Any
    """The codes that were seen in training, in the order of their ordinals."""
    splits: dict[tuple[Any, ...], int] = field(default_factory=dict)
    """Ordinals to the left, and whether what is unknown goes there → place of the split's column."""

    @property
    def codes(self) -> int:
        """Codes from 0 up to, not including, this one have a row of their own; all others share the last."""
        return int(self.categories.max()) + 1 if len(self.categories) else 0

    def table(self) -> Any:
        """A row for each code and one for what is unknown, a column for each split."""
        found = np.empty((self.codes + 1, len(self.splits)), dtype=np.float32)
        for number, (left, unknown_left) in enumerate(self.splits):
            found[:, number] = 0.0 if unknown_left else 1.0
            for ordinal, code in enumerate(self.categories):
                found[int(code), number] = 0.0 if ordinal in left else 1.0
        return found


def splits_on_categories(estimator: Any) -> bool:
    """Whether a fitted estimator is such trees."""
    return getattr(estimator, "is_categorical_", None) is not None


def to_onnx(estimator: Any, width: int, convert: Callable[[Any, int], Any]) -> Any:
    """The trees as an ONNX model.

    Args:
        estimator: Fitted boosted trees with categorical features, coded by whole numbers from 0 on.
        width: Number of inputs.
        convert: Makes a model of trees that split by thresholds, over so many inputs.

    Raises:
        ValueError: a category's code is no such number.
    """
    import onnx

    categorical = estimator.is_categorical_
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    columns = [
        _Column(int(place), _codes(known))
        for place, known in zip(np.flatnonzero(categorical), encoder.categories_, strict=True)
    ]
    numbers = np.flatnonzero(~categorical)
    trees, derived = _by_thresholds(estimator, columns, len(numbers))
    model = convert(trees, len(numbers) + derived)
    graph = _inputs_graph(columns, numbers, width)
    first = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    whole = onnx.compose.merge_models(
        first, model, [(_TREE_INPUTS, model.graph.input[0].name)], prefix2="trees_", name=model.graph.name
    )
    onnx.checker.check_model(whole)
    return whole


def _codes(categories: Any) -> Any:
    known = categories[~np.isnan(categories)]
    if np.any(known < 0) or np.any(known != np.floor(known)):
        raise ValueError("categories must be coded by whole numbers from 0 on")
    return known


def _by_thresholds(estimator: Any, columns: list[_Column], numbers: int) -> tuple[Any, int]:
    """The same trees over numbers, then a column for each split on categories; how many of these."""
    trees = copy.deepcopy(estimator)
    every = [tree for iteration in trees._predictors for tree in iteration]
    chosen: list[tuple[Any, int, _Column, tuple[Any, ...]]] = []
    for tree in every:
        for place, node in enumerate(tree.nodes):
            if node["is_leaf"]:
                continue
            # The trees' own order: categories first, then numbers.
            if not node["is_categorical"]:
                tree.nodes["feature_idx"][place] -= len(columns)
                continue
            column = columns[int(node["feature_idx"])]
            bits = tree.raw_left_cat_bitsets[int(node["bitset_idx"])]
            left = frozenset(n for n in range(len(column.categories)) if bits[n // 32] >> (n % 32) & 1)
            split = (left, bool(node["missing_go_to_left"]))
            column.splits.setdefault(split, len(column.splits))
            chosen.append((tree, place, column, split))
    starts = np.cumsum([numbers, *(len(column.splits) for column in columns)])
    for tree, place, column, split in chosen:
        start = int(starts[columns.index(column)])
        tree.nodes["feature_idx"][place] = start + column.splits[split]
        tree.nodes["num_threshold"][place] = _LEFT
        tree.nodes["is_categorical"][place] = 0
    trees.is_categorical_ = trees._preprocessor = trees._is_categorical_remapped = None
    trees.categorical_features = None
    trees.n_features_in_ = trees._n_features = int(starts[-1])
    return trees, int(starts[-1]) - numbers


def _inputs_graph(columns: list[_Column], numbers: Any, width: int) -> Any:
    """From what a model is asked with to what its trees split on."""
    from onnx import TensorProto, helper, numpy_helper

    constants: list[Any] = []
    nodes: list[Any] = []
    parts: list[str] = []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    if len(numbers):
        parts.append("numbers")
        places = constant("number_places", numbers.astype(np.int64))
        nodes.append(helper.make_node("Gather", ["inputs", places], ["numbers"], axis=1))
    zero = constant("zero", np.float32(0))
    for column in columns:
        if not column.splits:
            continue
        name = f"column_{column.place}"

        def made(operator: str, *given: str, what: str, name: str = name, **attributes: Any) -> str:
            nodes.append(helper.make_node(operator, list(given), [f"{name}_{what}"], **attributes))
            return f"{name}_{what}"

        code = made(
            "Gather", "inputs", constant(f"{name}_place", np.int64(column.place)), what="code", axis=1
        )
        unknown = constant(f"{name}_unknown", np.float32(column.codes))
        whole = made(
            "Equal", code, made("Floor", code, what="floor"), what="whole"
        )  # false where it is missing
        within = made(
            "And",
            made("GreaterOrEqual", code, zero, what="not_negative"),
            made("Less", code, unknown, what="below"),
            what="within",
        )
        known = made("And", whole, within, what="known")
        chosen, row = made("Where", known, code, unknown, what="row"), f"{name}_index"
        nodes.append(helper.make_node("Cast", [chosen], [row], to=TensorProto.INT64))
        table = constant(f"{name}_table", column.table())
        parts.append(made("Gather", table, row, what="sides", axis=0))
    nodes.append(helper.make_node("Concat", parts, [_TREE_INPUTS], axis=1))
    return helper.make_graph(
        nodes,
        "inputs",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(_TREE_INPUTS, TensorProto.FLOAT, [None, None])],
        constants,
    )
