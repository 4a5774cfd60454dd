"""A model in ONNX Runtime, which answers like the estimator it was made from."""

from typing import Any

import numpy as np


class OnnxModel:
    """`predict` and `predict_proba` over a session; safe for threads."""

    def __init__(self, body: bytes) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        # One row a request: threads inside a prediction would only get in each other's way.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def predict(self, inputs: Any) -> Any:
        """Classes, or numbers, of rows."""
        return np.asarray(self._run(self._outputs[0], inputs)).reshape(len(inputs))

    def predict_proba(self, inputs: Any) -> Any:
        """Each class's probability, of rows; they add up to 1 in double precision."""
        found = np.asarray(self._run(self._outputs[1], inputs), dtype=np.float64)
        return found / found.sum(axis=1, keepdims=True)

    def _run(self, output: str, inputs: Any) -> Any:
        rows = np.ascontiguousarray(inputs, dtype=np.float32)
        return self._session.run([output], {self._input: rows})[0]
