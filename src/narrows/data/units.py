"""Units: whether values are in the unit of the data that a model was trained on.

Integers and real numbers of any type that lie in the range of the training data are taken as they are, and so are
zeros. What type and range contradict is refused; what is merely improbable is a warning. `docs/guides/data-formats.md`
has the rule.
"""

import warnings

import numpy as np

from narrows.data.items import Items
from narrows.data.scaling import Scaling, observed_chunks
from narrows.data.tables.features import Features
from narrows.errors import DataError, DataWarning

FAR = 3  # ranges outside the range of the training data, where no noise and no outlier takes many values
FAR_SHARE = {True: 0.01, False: 0.5}  # of the values; False: of a table, whose rows may be outliers
DARK = 1 / 16  # of the range, which hardly any data in its unit stay below
LARGEST_SIZE = 10.0  # root mean square of standardised values, which is 1 in training
LEAST_DEVIATION = 0.01  # standard deviation of standardised values, which is 1 in training
ROUNDING = 1e-6  # of the range
ROWS = 10_000  # of a table that are looked at
FEW_ROWS = 20  # too few to judge a column by its standard deviation


def check_unit(items: Items, scaling: Scaling, clipped: bool = True) -> None:
    """Raise DataError for values in another unit than that of the training data; warn where they may be.

    Parameters
    ----------
    items : Items
        What a model is given.
    scaling : Scaling
        That of the model.
    clipped : bool
        Whether values outside the range of the training data deserve a warning.
    """
    if scaling.is_range:
        _check_range(items, scaling, clipped)
    else:
        _check_spread(items, scaling)


def check_columns(values: np.ndarray, features: Features, source: str) -> None:
    """Warn of columns of numbers that may be in another unit than those of the training data.

    Parameters
    ----------
    values : ndarray of shape (N, F)
        Coded cells, NaN where they are missing.
    features : Features
        Those of the model.
    source : str
        What messages call the table.
    """
    rows = values[:: max(1, len(values) // ROWS)]
    for column, feature, codes in zip(features.columns, features.features, rows.T, strict=True):
        if column.kind not in ("number", "integer") or not len(feature.mean):
            continue
        knots = None if feature.transform is None else np.array(feature.transform.knots)
        mean, deviation = (feature.mean[0], feature.scale[0]) if knots is None else (knots.mean(), knots.std())
        scaled = (codes[np.isfinite(codes)] - mean) / deviation
        narrow = len(scaled) >= FEW_ROWS and 0 < scaled.std() < LEAST_DEVIATION
        if narrow or (len(scaled) and np.median(np.abs(scaled)) > LARGEST_SIZE):
            warnings.warn(
                f"{source}: column {column.name!r} is unlike that of the training data (about {mean:.3g}, standard "
                f"deviation {deviation:.3g}); if it is in another unit, convert it",
                DataWarning,
                stacklevel=4,
            )


def _check_range(items: Items, scaling: Scaling, clipped: bool) -> None:
    low, high, far = _extremes(items, scaling)
    if not low <= high or low == high == 0:  # nothing is observed, or all is black
        return
    trained = np.dtype(scaling.dtype)
    message = (
        f"holds {items.dtype} ({low:.6g}..{high:.6g}), but the model was trained on {trained} "
        f"({scaling.low:g}..{scaling.high:g})"
    )
    if _is_other_type(items.dtype, low, high, scaling) or far > FAR_SHARE[items.spatial_dims > 0]:
        raise _other_unit(message, items)
    rounding = ROUNDING * (scaling.high - scaling.low)
    if clipped and not scaling.low - rounding <= low <= high <= scaling.high + rounding:
        _warn(f"{message}, and results are clipped to that range", items)
    elif trained.kind == "u" and high < DARK * scaling.high:
        _warn(message, items)


def _extremes(items: Items, scaling: Scaling) -> tuple[float, float, float]:
    """Return the least and the largest observed value (inf and -inf where there is none), and the share far outside."""
    low, high, far, count = np.inf, -np.inf, 0, 0
    reach = FAR * (scaling.high - scaling.low)
    first, last = scaling.low - reach, scaling.high + reach
    for chunk in observed_chunks(items):
        least, largest = (float(reduce(chunk, axis=None)) for reduce in (np.fmin.reduce, np.fmax.reduce))
        low, high, count = float(np.fmin(low, least)), float(np.fmax(high, largest)), count + chunk.size
        if least < first or largest > last:
            far += int(np.count_nonzero((chunk < first) | (chunk > last)))
    return low, high, far / max(1, count)


def _is_other_type(dtype: np.dtype, low: float, high: float, scaling: Scaling) -> bool:
    """Return whether type and extremes of values say that their unit is another than that of the range."""
    trained = np.dtype(scaling.dtype)
    is_unit = (scaling.low, scaling.high) == (0, 1)
    if dtype.kind == "b":
        return not is_unit
    if dtype.kind == "f":
        return trained.kind == "u" and not is_unit and low >= -1 and high <= 1
    if trained.kind != "u":
        return is_unit and (low < 0 or high > 1)
    too_small = dtype.kind == "u" and np.iinfo(dtype).max < scaling.high
    return too_small or low < 0 or high > np.iinfo(trained).max


def _check_spread(items: Items, scaling: Scaling) -> None:
    """Compare standardised values with those of training, whose mean is 0 and standard deviation 1."""
    count, total, squares = 0, 0.0, 0.0
    for chunk in observed_chunks(items):
        scaled = scaling.forward(chunk).astype(np.float64)
        scaled = scaled[np.isfinite(scaled)]
        count, total, squares = count + scaled.size, total + scaled.sum(), squares + (scaled**2).sum()
    if not count:
        return
    size, deviation = np.sqrt(squares / count), np.sqrt(max(0.0, squares / count - (total / count) ** 2))
    trained, dtype = np.dtype(scaling.dtype), items.dtype
    if size > LARGEST_SIZE:
        off = f"{size:.3g} standard deviations from the mean"
    elif 0 < deviation < LEAST_DEVIATION or dtype.kind == "b":
        off = f"with {deviation:.2g} of the standard deviation"
    else:
        return
    message = f"holds {dtype} {off} of the data that the model was trained on ({trained})"
    if dtype.kind != trained.kind or (dtype.kind != "f" and dtype != trained):
        raise _other_unit(message, items)
    _warn(message, items)


def _other_unit(message: str, items: Items) -> DataError:
    return DataError(message, source=items.source, hint="convert it, or train on data of this kind")


def _warn(message: str, items: Items) -> None:
    warnings.warn(f"{items.source}: {message}; if it is in another unit, convert it", DataWarning, stacklevel=5)
