"""TensorRT, for datacentre cards and Jetson as `tensorrt` and for RTX cards as `tensorrt_rtx`: one runner for both.

An ONNX file is built into an engine once and cached, then runs on fixed buffers, a CUDA graph per batch size.
"""

from pymafx_live.engines.runtime.tensorrt.opening import available, build_engine, identity, is_built, open_tensorrt

__all__ = ["available", "build_engine", "identity", "is_built", "open_tensorrt"]
