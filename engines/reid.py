"""What people look like to a network of one's own: an embedding, by which they are told apart and known again."""

from pathlib import Path
from typing import Self

import cv2
import numpy as np
from pymafx_live.configs.schema import Settings
from pymafx_live.core.arrays import Image
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.core.types import Floats
from pymafx_live.engines.runtime import RunnerOptions, as_numpy, for_onnx, open_runner

_SIZE = (256, 128)
"""Height and width where a network does not say, as Market-1501's networks have it."""
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, of RGB in 0..1, which networks of this kind are trained with (torchreid, fast-reid)."""
_ROWS = 8


class Reid:
    """A re-identification network: crops of people (N, 3, H, W), RGB as ImageNet's, in; embeddings (N, D) out."""

    def __init__(self, path: Path, *, threads: int = 0, runtime: str = "auto") -> None:
        """Raises `AssetError` for a file that is missing or no such network."""
        if not path.is_file():
            raise AssetError(f"there is no network {path}: check --reid")
        try:
            self._runner = open_runner(path, for_onnx(runtime), RunnerOptions(threads=threads, max_batch=_ROWS))
        except NetworkError as error:
            raise AssetError(f"--reid: {error}") from error
        inputs, outputs = self._runner.inputs, self._runner.outputs
        self._name, spec = next(iter(inputs.items()))
        self._output, made = next(iter(outputs.items()))
        width = made.shape[1] if len(made.shape) == 2 else None
        if len(inputs) != 1 or len(spec.shape) != 4 or spec.shape[1] != 3 or "float" not in spec.dtype or not width:
            self._runner.close()
            raise AssetError(
                f"{path} is no re-identification network: it should take crops (N, 3, H, W) of floating-point numbers "
                "and give (N, D)"
            )
        rows, _, high, wide = spec.shape
        self._rows, self._size = rows or _ROWS, (high or _SIZE[0], wide or _SIZE[1])
        self._dtype, self._width = spec.dtype, width

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """That of `settings.tracker.reid`."""
        run = settings.run
        return cls(Path(settings.tracker.reid).expanduser(), threads=run.threads, runtime=run.runtime)

    def __call__(self, image: Image, boxes: Floats) -> Floats:
        """The looks (N, D), of unit length, of what is in `boxes` (N, 4), x1, y1, x2, y2, of a BGR image (H, W, 3).

        A box outside of the image has zeros: it resembles nobody.
        """
        looks = np.zeros((len(boxes), self._width), np.float32)
        crops = [(k, crop) for k, box in enumerate(boxes) if (crop := self._crop(image, box)) is not None]
        for at in range(0, len(crops), self._rows):
            some = crops[at : at + self._rows]
            batch = np.zeros((self._rows, 3, *self._size), self._dtype)
            batch[: len(some)] = [crop for _, crop in some]
            made = as_numpy(self._runner.run({self._name: batch})[self._output])[: len(some)].astype(np.float32)
            length = np.linalg.norm(made, axis=1, keepdims=True)
            known = (np.isfinite(length) & (length > 0))[:, 0]
            looks[[k for (k, _), good in zip(some, known, strict=True) if good]] = made[known] / length[known]
        return looks

    def close(self) -> None:
        """Gives the network back."""
        self._runner.close()

    def _crop(self, image: Image, box: Floats) -> Floats | None:
        height, width = image.shape[:2]
        left, top = np.maximum(np.round(box[:2]), 0).astype(int).tolist()
        right, bottom = np.minimum(np.round(box[2:]), (width, height)).astype(int).tolist()
        if right - left < 2 or bottom - top < 2:
            return None
        crop = cv2.resize(image[top:bottom, left:right], self._size[::-1], interpolation=cv2.INTER_LINEAR)
        plain = (crop[:, :, ::-1].astype(np.float32) / 255 - _MEAN) / _DEVIATION
        return np.asarray(plain.transpose(2, 0, 1), np.float32)
