"""Which frequencies does a detector need? Audited on made scenes, in some seconds.

The detector here is a threshold, so that nothing has to be trained; yours may be torchvision's, an ONNX file, or a module that takes a
list of [0, 1] images and returns a list of dicts with boxes, scores and labels.
"""

# %% Images in a folder, and what is in them as a file in COCO's format; here bright boxes, as small as 4 pixels, on dark noise
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

import passband as pb

folder = Path("scenes/images")
folder.mkdir(parents=True, exist_ok=True)
scenes = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "box"}]}
draw = np.random.default_rng(0)
for index in range(12):
    pixels = draw.integers(0, 60, (64, 64, 3), np.uint8)
    for corner in (2, 34):
        height, width = draw.integers(4, 26, 2).tolist()
        pixels[corner : corner + height, corner : corner + width] = 220
        box = {"bbox": [corner, corner, width, height], "area": width * height, "iscrowd": 0}
        scenes["annotations"].append(
            {"id": len(scenes["annotations"]), "image_id": index, "category_id": 1} | box
        )
    Image.fromarray(pixels).save(folder / f"{index}.png")
    scenes["images"].append({"id": index, "file_name": f"{index}.png", "height": 64, "width": 64})
Path("scenes/boxes.json").write_text(json.dumps(scenes))

data = pb.open_detection_data(folder, "scenes/boxes.json")
print(data)


# %% A detector: whatever is brighter than half is an object, the larger, the surer
class Bright(nn.Module):
    """Finds the boxes around connected bright regions."""

    def forward(self, images):
        """Return boxes, scores and labels of each image."""
        return [self.find(image.mean(dim=0).numpy() > 0.5) for image in images]

    def find(self, bright):
        """Return what is in one image."""
        regions = ndimage.find_objects(ndimage.label(bright)[0])
        boxes = torch.tensor([(x.start, y.start, x.stop, y.stop) for y, x in regions]).reshape(-1, 4).float()
        scores = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) / bright.size
        return {"boxes": boxes, "scores": scores, "labels": torch.ones(len(boxes), dtype=torch.int64)}


# %% The audit; the cut-off that the requirement is on is measured too
found = pb.audit_detector(Bright(), data, radii=[4, 16], resamples=100, require=["map-lfc@8 >= 0.1"])
print(found.summary())
found  # a notebook shows the last line of a cell

# %% A gate on the value, and on its interval
print(found.check("map-lfc@8 >= 0.1"))
print(found.check("map-lfc@8 >= 0.1 at 95%"))

# %% Numbers, the chart, and the page
print(found.rows.filter(metric="map").select("shown", "value", "error"))
found.plot()
print(pb.write_detector_report(found, "detections/bright"))
