"""A fitted model as ONNX: smaller, faster to answer, no pickle; taken only if it answers as well.

Boosted trees get students first, which learn their answers with fewer trees (`distil`).

Matrices (MatMul, Gemm) are quantised to 8-bit integers where a model has any: neural networks do, linear
models and trees have none. A form that loses more than the tolerance is not taken, and the next one is tried.
"""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from platform_jobs import distil, onnx_trees
from platform_jobs.evaluate import evaluate
from platform_jobs.log import event
from platform_jobs.onnx_model import OnnxModel

OPSET: Final = 21
DISTILLED: Final = "onnx-distilled"
DEFAULT_TOLERANCE: Final = 0.005
LEAST_AGREEMENT: Final = 0.95
"""With other answers it is another model, and no reviewer has seen how that one treats whom."""
_GRAPH: Final = "model"
_ERRORS: Final = frozenset({"mae", "rmse"})
_MATRICES: Final = frozenset({"Gemm", "MatMul"})


@dataclass(frozen=True)
class Form:
    """One smaller form of a model, and how it compares."""

    name: str
    """`onnx-distilled-<leaves>`, `onnx-int8` or `onnx`."""
    body: bytes
    drop: float
    """The worst loss in any metric: absolute; of errors, relative."""
    agreement: float
    """Share of rows with the same prediction (regression: of the predictions' variance that is the same)."""


@dataclass(frozen=True)
class Optimised:
    """What became of a model."""

    form: Form | None
    """The smallest form that answers as well; none if there is none."""
    refused: dict[str, str] = field(default_factory=dict)
    """Form → why it was not taken."""

    @property
    def report(self) -> dict[str, Any]:
        """For the version's evaluation."""
        said: dict[str, Any] = {"refused": self.refused}
        if self.form is not None:
            said |= {
                "form": self.form.name,
                "bytes": len(self.form.body),
                "largest_drop": round(self.form.drop, 6),
                "agreement": round(self.form.agreement, 6),
            }
        return said


def optimise(
    estimator: Any,
    task: str,
    inputs: Any,
    truth: Any,
    *,
    lesson: Any = None,
    seed: int = 0,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Optimised:
    """The smallest form of a fitted model that is as good on rows that it has not seen.

    Args:
        estimator: A fitted scikit-learn estimator.
        task: `binary`, `multiclass` or `regression`.
        inputs: Rows, as `encoding` makes them.
        truth: Their outcomes.
        lesson: Rows that students may ask the model about; without them there are none.
        seed: Of the students.
        tolerance: The most that a metric may lose: absolute, and of errors relative.
    """
    refused: dict[str, str] = {}
    forms = itertools.chain(
        _students(estimator, lesson, seed, refused), _forms(estimator, inputs.shape[1], refused)
    )
    for name, body in forms:
        form = _compared(name, body, estimator, task=task, inputs=inputs, truth=truth)
        if form.drop > tolerance:
            refused[name] = f"a metric loses {form.drop:.6g}, {tolerance:g} is allowed"
        elif form.agreement < LEAST_AGREEMENT:
            refused[name] = (
                f"{form.agreement:.6g} of its answers are the model's, {LEAST_AGREEMENT:g} are needed"
            )
        else:
            event("train", "optimised", form=name, drop=round(form.drop, 6), agreement=form.agreement)
            return Optimised(form, refused)
    event("train", "not-optimised", reasons=refused)
    return Optimised(None, refused)


def _students(estimator: Any, lesson: Any, seed: int, refused: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """The model's students, the smallest first."""
    if lesson is None:
        return
    try:
        for leaves, student in distil.students(estimator, lesson, seed):
            yield f"{DISTILLED}-{leaves}", to_onnx(student, lesson.shape[1])
    except Exception as error:  # what cannot be taught or expressed has other forms
        refused[DISTILLED] = f"cannot be made: {type(error).__name__}"


def _forms(estimator: Any, width: int, refused: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Smaller forms, the smallest first."""
    try:
        plain = to_onnx(estimator, width)
    except Exception as error:  # the converter has an error of its own for each thing that it does not know
        refused["onnx"] = f"cannot be expressed: {type(error).__name__}"
        return
    try:
        quantised = _quantised(plain)
    except Exception as error:
        quantised, refused["onnx-int8"] = None, f"cannot be quantised: {type(error).__name__}"
    else:
        if quantised is None:
            refused["onnx-int8"] = "it has no matrices"
    if quantised is not None:
        yield "onnx-int8", quantised
    yield "onnx", plain


def to_onnx(estimator: Any, width: int) -> bytes:
    """The model as ONNX, in single precision; the same model gives the same bytes."""
    if onnx_trees.splits_on_categories(estimator):
        model = onnx_trees.to_onnx(estimator, width, _converted)
    else:
        model = _converted(estimator, width)
    return bytes(model.SerializeToString(deterministic=True))


def _converted(estimator: Any, width: int) -> Any:
    import skl2onnx  # type: ignore[import-untyped]
    from skl2onnx.common.data_types import FloatTensorType  # type: ignore[import-untyped]

    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    return skl2onnx.to_onnx(
        estimator,
        initial_types=[("inputs", FloatTensorType([None, width]))],
        name=_GRAPH,
        options=options,
        target_opset=OPSET,
    )


def _quantised(body: bytes) -> bytes | None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

    if not any(node.op_type in _MATRICES for node in onnx.load_from_string(body).graph.node):
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.onnx"), Path(folder, "quantised.onnx")
        source.write_bytes(body)
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
        return target.read_bytes()


def _compared(name: str, body: bytes, estimator: Any, *, task: str, inputs: Any, truth: Any) -> Form:
    smaller = OnnxModel(body)
    before = evaluate(task, estimator, inputs, truth)
    after = evaluate(task, smaller, inputs, truth)
    return Form(
        name,
        body,
        drop=largest_drop(before, after),
        agreement=_agreement(task, estimator.predict(inputs), smaller.predict(inputs)),
    )


def largest_drop(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """The worst loss in any metric; a metric that is not known afterwards is lost whole."""
    worst = 0.0
    for name, value in before.items():
        if name in _ERRORS:
            drop = (after.get(name, float("inf")) - value) / max(abs(value), 1e-12)
        else:
            drop = value - after.get(name, float("-inf"))
        worst = max(worst, drop)
    return worst


def _agreement(task: str, first: Any, second: Any) -> float:
    if task == "regression":
        rest, whole = float(np.var(np.asarray(first) - second)), float(np.var(first))
        return 1.0 if rest == 0 else max(0.0, 1 - rest / whole) if whole else 0.0
    return float(np.mean(np.asarray(first) == np.asarray(second)))
