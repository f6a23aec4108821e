"""ONNX Runtime's side of a comparison of latencies; peer_side.py says how it is used.

The model is exported from PyTorch, with cuelbo's weights. Variants: whether its threads spin between calls.
"""

import io
import warnings

import numpy as np
import onnxruntime
import torch

import peer_side
from torch_inference import load_network


class Inference(peer_side.Work):
    def __init__(self, case):
        super().__init__()
        self.threads = case["threads"]
        network, self.values, self.expected = load_network(case, torch.contiguous_format)
        program = torch.onnx.export(network, (torch.from_numpy(self.values),), dynamo=True, verbose=False)
        file = io.BytesIO()
        program.save(file)
        self.model = file.getvalue()

    def variants(self):
        yield "spinning" if self.threads > 1 else "one thread"
        if self.threads > 1:
            yield "not spinning"

    def make(self, variant):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if variant == "spinning" else "0")
        session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        output = np.empty_like(session.run(None, {session.get_inputs()[0].name: self.values})[0])
        binding = session.io_binding()
        for bind, value, array in ((binding.bind_input, session.get_inputs()[0], self.values),
                                   (binding.bind_output, session.get_outputs()[0], output)):
            bind(value.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

        def call():
            session.run_with_iobinding(binding)
            return output

        return call

    def check(self, variant):
        return {"output": peer_side.relative_error(self.expected, self.call(variant)())}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    case = peer_side.read_case()
    peer_side.serve(Inference(case), case, {"version": onnxruntime.__version__})
