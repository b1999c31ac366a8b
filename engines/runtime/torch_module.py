"""A PyTorch module as a runner: the reference that compiled engines are held against, and the one that always works."""

from collections.abc import Mapping

import torch
from pymafx_live.engines.runtime.interface import Array, TensorSpec, made
from torch import nn


class TorchRunner:
    """Runs a module whose forward takes its inputs by name and returns a dict of its outputs."""

    runtime = "torch"

    def __init__(
        self,
        module: nn.Module,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
        device: str = "cpu",
        threads: int = 0,
    ) -> None:
        """`threads` counts for all of PyTorch in this process; 0: its own choice."""
        if threads:
            torch.set_num_threads(threads)
        self.module = module.eval().requires_grad_(False).to(device)
        self.inputs, self.outputs, self.device = inputs, outputs, device
        place = torch.cuda.get_device_name(device) if device.startswith("cuda") else "the processor"
        self.about = f"PyTorch {torch.__version__} on {place}"

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        with torch.inference_mode():
            given = {name: torch.as_tensor(made(value)).to(self.device) for name, value in inputs.items()}
            out: dict[str, torch.Tensor] = self.module(**given)
        return {k: v.numpy() if self.device == "cpu" else v for k, v in out.items()}

    def close(self) -> None:
        """Lets the module go."""
        del self.module
