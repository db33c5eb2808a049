"""What the tools that restore have in common: a network that restores, and how far its answers may be off."""

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from narrows.data import Items, Scaling
from narrows.data.memory import allocate
from narrows.errors import DataError, TrainingError
from narrows.estimators.base import VALUES_AT_ONCE, Rebuilder, axes_count, is_list_of_items
from narrows.models.calibration import Calibration
from narrows.models.defaults import choose_crop
from narrows.models.tiles import tiles
from narrows.networks import Restoration, TableArchitecture
from narrows.networks.restoration.mixture import N_PARAMETERS, Mixture
from narrows.networks.restoration.unet import RestoringNetwork, Task
from narrows.objectives.restoration import RestorationObjective, select
from narrows.training.batches import Batches, as_tensor, with_nan
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingProgress

CALIBRATED_ON = 2**21  # values
Answer = Callable[[RestoringNetwork, Tensor], Tensor]


class Restorer(Rebuilder):
    """Subclasses store preset beside what every tool does, and say what the network is asked in `_restored`."""

    architecture_type: type[Restoration] | type[TableArchitecture] = Restoration
    preset: str

    def _fit(
        self,
        items: Items,
        scaling: Scaling,
        task: Task,
        objective: Callable[[int], RestorationObjective],
        target: Items | None,
        identity: dict[str, Any],
        checkpoint: str | Path | None,
        resume: bool,
        report: Callable[[TrainingProgress], None] | None,
    ) -> None:
        """Train, and find out on the held-out items how far the answers are off. objective: from a seed."""
        if not items.spatial_dims:
            raise DataError(
                f"rows of a table; {self.tool}s take signals, images or volumes",
                source=items.source,
                hint="if the rows are signals, specify",
                suggestion={"axes": "NT"},
            )
        crop = choose_crop(items, flat=False)
        architecture = Restoration(
            channels=items.channels,
            shape=crop or items.item_shape[: items.spatial_dims],
            task=task,
            numbers=N_PARAMETERS,
            preset=self.preset,  # type: ignore[arg-type]
            ranged=scaling.is_range,
        )
        settings = self._settings(items, "restoring", math.prod(architecture.shape))
        batches = Batches(items, scaling, settings.batch_size, settings.seed, choose_device(self.device), crop, target)
        mean = batches.mean()[: items.channels]
        loss = objective(settings.seed)
        baseline = loss.baseline(mean, batches.held_out())
        # Surprise has no zero of which a share could be told: whoever learns blind is judged at the end.
        blind = task == "blind"
        before = dict(self.__dict__)
        interrupted = self._learn(
            items,
            batches,
            settings,
            architecture,
            loss,
            0.0 if blind else baseline,
            mean.flatten(1).mean(1),
            {**identity, "baseline": float(f"{baseline:.4g}")},
            checkpoint,
            resume,
            report,
        )
        self.training_["mean_loss"] = baseline
        found = self.training_["held_out_loss"]
        if blind and found >= baseline:
            self.__dict__, steps = before, self.training_["steps"]
            if interrupted:
                raise KeyboardInterrupt
            raise TrainingError(
                f"in {steps} steps no way was found to tell a value from its neighbours (held-out "
                f"loss {found:.4g}, without them {baseline:.4g}): try a larger budget, unless the items are noise alone"
            )
        noisy = loss.loss_of_input(batches.held_out()) if task == "denoise" else None
        self.training_["noisy_loss"] = noisy
        if noisy is not None and found >= noisy:
            warnings.warn(
                f"what is denoised is farther from what it should be (held-out mse {found:.4g}) than what is noisy "
                f"({noisy:.4g}): try a larger budget",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.calibration_ = None if blind else calibrate(self._network(), loss, batches.held_out())
        self.training_["within"] = list(self.calibration_.within) if self.calibration_ else None
        if interrupted:
            raise KeyboardInterrupt

    def _known(self, x: Tensor) -> Tensor:
        """What the network sees of items (N, C, *S) with NaN where nothing is known."""
        return x

    def _values(self, network: RestoringNetwork, x: Tensor) -> Tensor:
        """Restored items in scaled units."""
        return network(self._known(x))[0]

    def _deviations(self, network: RestoringNetwork, x: Tensor) -> Tensor:
        """The standard deviation of each restored value in scaled units."""
        assert self.calibration_ is not None
        _, features = network(self._known(x))
        expected = Mixture.from_parameters(network.describe(features, x.shape[2:])).moments()[1].sqrt()
        return torch.from_numpy(self.calibration_(expected.cpu().numpy()))

    def _answers(
        self, items: Items, answer: Answer, dtype: Any = None, progress: Callable[[int, int], None] | None = None
    ) -> Items:
        """The items with other values: answers of this dtype; or where there is none, lengths as float32.

        answer: from the network and items (N, C, *S) in scaled units, NaN where nothing is known, to as many values.
        Large items go through the network tile by tile. progress: called with items done and items in all.
        """
        network, scale, device = self._network(), self._scale(), choose_device(self.device)
        values = allocate(items.values.size, np.dtype(dtype or np.float32)).reshape(items.values.shape)
        answered = replace(items, values=values, mask=None)
        holes = None if items.mask is None else items.mask_items()
        step = max(1, VALUES_AT_ONCE // math.prod(items.item_shape)) if items.uniform else 1
        for start in range(0, len(items), step):
            given, out = part_of(items, start, step), part_of(answered, start, step)
            hidden = None if holes is None else part_of(holes, start, step)
            for tile in tiles(given.shape[1 : 1 + items.spatial_dims], network.stride, network.receptive_radius):
                seen, place = (slice(None), *tile.seen), (slice(None), *tile.place)
                x = scale(as_tensor(given[seen]).to(device))
                if hidden is not None:
                    x = with_nan(x, scale.channels_first(as_tensor(hidden[seen]).to(device)))
                with torch.no_grad():
                    found = answer(network, x)[(slice(None), slice(None), *tile.kept)]
                out[place] = scale.inverse_std(found) if dtype is None else scale.inverse(found, dtype)
            if progress is not None:
                progress(start + len(given), len(items))
        return answered

    def _like(self, X: Any, items: Items) -> Any:
        """Items in the form of X, which they came from."""
        if isinstance(X, Items):
            return items
        if is_list_of_items(X, self.axes_):
            return [self._item_as_given(item) for item in items]
        one = axes_count(X) < items.values.ndim
        return self._item_as_given(items[0]) if one else self._as_given(items.values)

    def _document(self) -> dict[str, Any]:
        calibration = None if self.calibration_ is None else self.calibration_.to_dict()
        return {**super()._document(), "calibration": calibration}

    def _restore(self, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
        super()._restore(tensors, document)
        calibration = document["calibration"]
        self.calibration_ = None if calibration is None else Calibration.from_dict(calibration)


def part_of(items: Items, start: int, step: int) -> np.ndarray:
    """Some items of one shape, or the one at `start` as an array of one: a view (n, *item_shape)."""
    return items.values[start : start + step] if items.uniform else items[start][None]


def calibrate(network: RestoringNetwork, objective: RestorationObjective, held_out: Iterable[Tensor]) -> Calibration:
    """How the deviations that the network expects go with those it has."""
    expected, errors, count = [], [], 0
    parts = (part for x in held_out for part in x.split(max(1, VALUES_AT_ONCE // x[0].numel())))
    for x in parts:
        example = objective.example(x, None)
        with torch.no_grad():
            restored, features = network(example.x)
            numbers = network.describe(features, example.target.shape[2:])
            expected.append(
                Mixture.from_parameters(select(numbers, example.target_mask))
                .moments()[1]
                .sqrt()
                .flatten()
                .cpu()
                .numpy()
            )
        error = select(restored, example.target_mask) - select(example.target, example.target_mask)
        errors.append(error.flatten().cpu().numpy())
        count += errors[-1].size
        if count >= CALIBRATED_ON:
            break
    return Calibration.learn(np.concatenate(expected), np.concatenate(errors))


def scaled_mse(scaling: Scaling, answer: Items, right: Items, asked: Items | None = None) -> float:
    """The mean squared error in scaled units over the values that are asked for, or over all."""
    squares, count = 0.0, 0
    for index, item in enumerate(answer):
        off = scaling.forward(item) - scaling.forward(right[index])
        if asked is not None:
            off = off[asked[index]]
        squares += float((off.astype(np.float64) ** 2).sum())
        count += off.size
    return squares / max(count, 1)
