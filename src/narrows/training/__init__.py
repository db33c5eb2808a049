"""The training loop: tasks, batches, runtime and optimizers.

TrainingTask, RunOptions -> train -> Trained
"""

from narrows.training.batches import Batches, Scale, as_tensor
from narrows.training.loop import train
from narrows.training.runtime import choose_device
from narrows.training.task import Objective, RunOptions, Settings, Trained, TrainingProgress, TrainingTask

__all__ = [
    "Batches",
    "Objective",
    "RunOptions",
    "Scale",
    "Settings",
    "Trained",
    "TrainingProgress",
    "TrainingTask",
    "as_tensor",
    "choose_device",
    "train",
]
