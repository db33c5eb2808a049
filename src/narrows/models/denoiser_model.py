"""Trained denoisers: clean items and predictive standard deviations from noisy items."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from narrows.artifacts.schema import ShortText, typed
from narrows.corruption import Noise
from narrows.data import Columns, Items
from narrows.data.masks import join_alpha, split_alpha
from narrows.errors import DataError
from narrows.models.calibration import Calibration
from narrows.models.item_checks import check_complete, plain_numbers
from narrows.models.model_manifest import ModelManifest
from narrows.models.onnx_export import Graph, check_one_part
from narrows.models.parts import parts_of, view_of
from narrows.models.symmetries import average_over_symmetries
from narrows.models.tiled_inference import Progress, TiledInference, psnr_note
from narrows.models.trained_model import TrainedModel
from narrows.networks import Restoration, RestoringNetwork
from narrows.networks.restoration.mixture import Mixture
from narrows.objectives.restoration import hide_lattice, lattice
from narrows.training.torch_state import default_torch_state

NOISY_AT_ONCE = 500  # items to which noise is added; the noise drawn depends on it


@dataclass(frozen=True)
class DenoiserManifest(ModelManifest):
    """What the file of a denoiser says.

    Parameters
    ----------
    calibration : Calibration or None
        From predicted to measured standard deviations; None for a model that learned from noisy items alone.
    noise : str or None
        The noise that training added.
    clip : bool
        Whether noisy values are clipped to the range of the data.
    """

    calibration: Calibration | None = None
    noise: str | None = None
    clip: bool = False

    tool: ClassVar[str] = "denoiser"
    architecture_type: ClassVar[Any] = Restoration

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        calibration = None if self.calibration is None else self.calibration.to_dict()
        return {**super().to_dict(), "calibration": calibration, "noise": self.noise, "clip": self.clip}

    @classmethod
    def fields_from(cls, document: Mapping[str, Any], columns: Columns | None) -> dict[str, Any]:
        """Return the fields that the tool adds, from a document."""
        calibration = document["calibration"]
        return {
            "calibration": None if calibration is None else Calibration.from_dict(calibration),
            "noise": typed(ShortText | None, document["noise"]),
            "clip": typed(bool, document["clip"]),
        }


@dataclass(frozen=True, eq=False)
class DenoiserModel(TrainedModel):
    """A trained denoiser.

    A model that learned from noisy items alone predicts the distribution of each value from its neighbours, and then
    the posterior of the clean value given the noisy one (Laine et al. 2019).

    References
    ----------
    Laine, Karras, Lehtinen & Aila, "High-quality self-supervised deep image denoising", NeurIPS 2019.
    """

    manifest: DenoiserManifest
    network: RestoringNetwork

    tool: ClassVar[str] = "denoiser"
    manifest_type: ClassVar[type[ModelManifest]] = DenoiserManifest

    @property
    def blind(self) -> bool:
        """Whether the model learned from noisy items alone."""
        return self.manifest.architecture.task == "blind"  # type: ignore[no-any-return]

    @property
    def noise(self) -> str | None:
        """The noise that training added, such as "gaussian:0.1"; None where it added none."""
        return self.manifest.noise

    @property
    def clip(self) -> bool:
        """Whether noisy values are clipped to the range of the data."""
        return self.manifest.clip

    @property
    def clips(self) -> bool:
        """Whether values outside the range are unexpected: noise that is not clipped takes them there."""
        return self.clip

    @property
    def calibration(self) -> Calibration | None:
        """From predicted to measured standard deviations; None where the model learned from noisy items alone."""
        return self.manifest.calibration

    def has_alpha(self, items: Items) -> bool:
        """Return whether items are images with an alpha channel, which the model's have not."""
        return items.spatial_dims == 2 and items.channels - 1 == self.channels in (1, 3)

    def check(self, items: Items) -> Items:
        """Return the items as the model takes them, without an alpha channel; DataError where they do not fit."""
        items = plain_numbers(items, self.tool)
        if self.has_alpha(items):
            items = replace(split_alpha(items), mask=None)
        check_complete(items, self.tool)
        return self.check_layout(items)

    @default_torch_state()
    def denoise(self, items: Items, progress: Progress | None = None, tta: bool = False) -> Items:
        """Return the items without noise, of the same type.

        Parameters
        ----------
        items : Items
            Noisy signals, images or volumes. An alpha channel of images stays as it is.
        progress : callable, optional
            Called with the items done and the items in all.
        tta : bool
            Whether to return the mean of the results for the symmetries of each item; see `average_over_symmetries`.
        """
        noisy = self.check(items)
        inference = self.adapted_to(noisy)._inference()

        def output(x: Tensor) -> Tensor:
            return self._posterior(inference.network, x)[0] if self.blind else inference.network(x)[0]

        average = average_over_symmetries(output, inference.network.stride)
        clean = inference.predict(noisy, average if tta else output, items.dtype, progress)
        return join_alpha(clean, items) if self.has_alpha(items) else clean

    @default_torch_state()
    def predictive_std(self, items: Items) -> Items:
        """Return the standard deviation of each denoised value, float32 in the data's unit; 0 of an alpha channel."""
        noisy = self.check(items)
        inference = self.adapted_to(noisy)._inference()

        def output(x: Tensor) -> Tensor:
            if self.manifest.calibration is None:
                return self._posterior(inference.network, x)[1].sqrt()
            return self.manifest.calibration.of_tensor(inference.mixture(x).moments()[1].sqrt())

        std = inference.predict(noisy, output)
        if not self.has_alpha(items):
            return std
        return join_alpha(std, replace(items, values=np.broadcast_to(np.float32(0), items.values.shape)))

    @default_torch_state()
    def add_noise(self, items: Items, noise: str | None = None, seed: int = 0) -> Items:
        """Return the items with noise, clipped as in training; float32 where the items hold integers.

        Parameters
        ----------
        items : Items
            Clean signals, images or volumes.
        noise : str, optional
            Such as "gaussian:0.1"; by default that of training.
        seed : int
            Seed of the noise.

        Raises
        ------
        DataError
            If no noise is given, and training added none.
        """
        noise = noise or self.noise
        if noise is None:
            raise DataError(
                "this denoiser learned from noisy items",
                hint="specify which noise to add",
                suggestion={"noise": "gaussian:0.1"},
            )
        items, parsed = self.check(items), Noise.parse(noise)
        inference = self.adapted_to(items)._inference()
        generator = torch.Generator(device=inference.device).manual_seed(seed)
        dtype = items.dtype if items.dtype.kind == "f" else np.dtype(np.float32)
        noisy = replace(items, values=np.empty(items.values.shape, dtype))
        for part in parts_of(items, NOISY_AT_ONCE):
            x = parsed.add(inference.scaled(view_of(items, part)), generator, self.clip)
            view_of(noisy, part)[:] = inference.scale.inverse_unclipped(x, dtype)
        return noisy

    def onnx_graph(self, part: str | None = None) -> Graph:
        """Return what an ONNX file of the model computes: denoised values and their standard deviations."""
        check_one_part(part)
        network, calibration = self.network_to_export(), self.manifest.calibration

        def compute(noisy: Tensor) -> tuple[Tensor, Tensor]:
            if calibration is None:
                mean, variance = self._posterior(network, noisy)
                return mean, variance.sqrt()
            denoised, features = network(noisy)
            mixture = Mixture.from_parameters(network.describe(features, noisy.shape[2:]))
            return denoised, calibration.of_tensor(mixture.moments()[1].sqrt())

        dims = self.item_dims()
        return Graph(network, compute, {"noisy": dims}, {"denoised": dims, "std": dims})

    @default_torch_state()
    def noise_level(self) -> float:
        """Return the largest standard deviation of the noise that a model learned from noisy items, in scaled units."""
        network = self.placed_network()
        with torch.no_grad():
            return float(network.noise(torch.tensor([0.0, 1.0], device=self._torch_device())).max().sqrt())

    def training_summary(self) -> str:
        """Return what came of the training, in one line."""
        facts = self.training
        line = f"{facts.items} items in {facts.seconds:.1f} s; "
        if self.blind:
            return (
                f"{line}learned from noisy items alone; held-out negative log-likelihood {facts.held_out_loss:.4g}, "
                f"one distribution for every value has {facts.mean_loss:.4g}"
            )
        noisy = facts.details.get("noisy_loss")
        compared = "" if noisy is None else f", the noisy items {noisy:.4g}"
        within = "{:.1%} of values within one predictive standard deviation, {:.1%} within two"
        return (
            f"{line}held-out mse {facts.held_out_loss:.4g}{psnr_note(self.scaling, facts.held_out_loss)}, "
            f"the mean of the data has {facts.mean_loss:.4g}{compared}; {within.format(*facts.details['within'])}"
        )

    def preview(self, items: Items, **options: Any) -> dict[str, Items]:
        """Return noisy, denoised and, where they are known, clean items, by label.

        Parameters
        ----------
        items : Items
            Clean items where noise is added, else noisy ones.
        **options
            noise: what to add, by default that of training; target: the clean items.
        """
        noise, target = options.get("noise"), options.get("target")
        adds = target is None and (noise or self.noise) is not None
        noisy = self.add_noise(items, noise) if adds else items
        rows = {"noisy": noisy, "denoised": self.denoise(noisy)}
        clean = items if adds else target
        return rows if clean is None else {**rows, "clean": clean}

    def _inference(self) -> TiledInference:
        return TiledInference(self.placed_network(), self.scale(), self._torch_device())

    def _posterior(self, network: RestoringNetwork, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the clean values, given the noisy ones and what their neighbours predict."""
        mean, variance = torch.empty_like(x), torch.empty_like(x)
        for starts in product((0, 1), repeat=x.ndim - 2):
            _, features = network(hide_lattice(x, starts).x)
            hidden = lattice(starts)
            mixture = Mixture.from_parameters(network.describe(features, x.shape[2:])[hidden])
            mean[hidden], variance[hidden] = mixture.posterior(x[hidden], network.noise(mixture.means), self.clip)
        return mean, variance
