"""A network as it is deployed: exported to ONNX, and quantized to 8-bit integers.

python examples/deploy.py runs/mine deploy
passband audit onnx:deploy/float32.onnx fashion-mnist
passband audit onnx:deploy/int8.onnx fashion-mnist
"""

import sys
from pathlib import Path

import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

import passband as pb
from passband.data.dataset import to_pixels

CALIBRATION = 200  # training images from which the ranges of activations are learned


class Calibration(CalibrationDataReader):
    """Gives onnxruntime training images, one after the other, as the exported network takes them."""

    def __init__(self, dataset: pb.ImageDataset) -> None:
        self.images = iter(to_pixels(dataset.images).split(1))

    def get_next(self) -> dict | None:
        """Return the next image, or None after the last."""
        image = next(self.images, None)
        return None if image is None else {"images": image.numpy()}


def deploy(model: pb.PixelModel, calibration: pb.ImageDataset, folder: Path) -> None:
    """Write `float32.onnx` and `int8.onnx`. Both take [0, 1] pixels, since normalization is a part of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    images = to_pixels(calibration.images[:2])
    torch.onnx.export(
        model,
        (images,),
        folder / "float32.onnx",
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    quantize_static(
        folder / "float32.onnx", folder / "int8.onnx", Calibration(calibration), quant_format=QuantFormat.QDQ
    )


if __name__ == "__main__":
    run, folder = sys.argv[1:]
    network = pb.load_model(run)
    deploy(network, pb.load_dataset("fashion-mnist", "train", limit=CALIBRATION), Path(folder))
