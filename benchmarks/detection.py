"""What showing a detector all views costs over its own forward passes, and whether memory grows with the number of images.

    OMP_NUM_THREADS=1 python benchmarks/detection.py [--images 8] [--large]

Images of 480x640 pixels, written as JPEG, three radii in both geometries with controls: 19 views of each. The detectors are the
project's own small RetinaNet and, with `--large`, torchvision's RetinaNet with ResNet-50 (untrained: the time does not depend on
weights). A detector's own time is measured around its calls, in the same run; memory is the process's peak, after so many images
and after four times as many, without the detector's work for the larger number.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor

from passband.detection.annotations import Annotations, Picture
from passband.detection.dataset import DetectionDataset
from passband.detection.detect import Showing, detect
from passband.detection.detector import Detector, DetectorEntry
from passband.detection.folder import _Pictures
from passband.detection.load import load_detector
from passband.detection.objects import Detections, no_detections
from passband.detection.shown import Shown
from passband.detection.view import all_views
from passband.rows import OBJECT_COLUMNS

HEIGHT, WIDTH = 480, 640
VIEWS = all_views([32, 64, 128], [0.0667, 0.133, 0.267])
