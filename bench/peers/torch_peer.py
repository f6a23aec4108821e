"""PyTorch's side of a comparison; peer_side.py says how it is used."""

import warnings

import torch

import peer_side
import torch_decomposition
import torch_inference
import torch_loader
import torch_training

KINDS = {"training": torch_training.Training, "decomposition": torch_decomposition.Decomposition,
         "latency": torch_inference.Inference, "loader": torch_loader.Loader}


def main():
    warnings.filterwarnings("ignore")
    case = peer_side.read_case()
    torch.set_num_threads(case["threads"])
    torch.set_num_interop_threads(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # both sides compute in fp32
    peer_side.serve(KINDS[case["kind"]](case), case, {"version": torch.__version__,
                                                      "cpu_capability": torch.backends.cpu.get_cpu_capability()})


if __name__ == "__main__":
    main()
