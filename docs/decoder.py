"""Decode the payload of .narrow files, as docs/format.md specifies it: slow, without checks, with NumPy alone.

Its input is what the reader on that page returns. The network of the transform path is left out.
"""

import bisect
import bz2
import itertools
import json
import lzma
import math
import zlib

import numpy as np
from decoder_of_signals import signal_logits, unwhiten

WINDOW, AROUND = {1: 12, 2: 4, 3: 2}, {1: 8, 2: 3, 3: 1}  # radius of windows, by spatial axes
LIFTING, GAIN = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971), 1.1496043988602418
BLOCK = 2**12  # residuals
TYPES = {"U8": "u1", "I8": "i1", "I16": "<i2", "I32": "<i4", "F32": "<f4"}


def decode(file, model=None):
    """Return the items of a file, as the reader returned it. model: the bytes of its model."""
    document, tensors = {"grid": None, "designs": None, "axes": "", "shape": None}, None
    if file["fingerprint"] != 12 * "0":
        document, tensors = read_model(file["model"] or model)
    grid, designs = document["grid"], document["designs"]
    if tensors:
        designs |= {name: document.get(name) for name in ("scaling", "architecture")}
    axes = file.get("axes") or "N" + "".join(axis for axis in "ZYTXC" if axis in document["axes"])
    dtype = np.dtype(file.get("dtype") or grid["dtype"])
    plan = read_plan(file["parameters"], grid, dtype, designs) if tensors else None
    shapes = iter(file.get("shapes") or [document["shape"]] * sum(file["items"]))
    found = []
    for count, payload in zip(file["items"], file["chunks"], strict=True):
        these, check = list(itertools.islice(shapes, count)), None
        if file["version"] > 1:
            check, payload = int.from_bytes(payload[:4], "little"), payload[4:]
        items = read_chunk(payload, these, axes, dtype, plan, grid, designs, tensors)
        if plan and plan[3] == "latent":
            check = None  # of indices, which are left out here
        values = b"".join(item.astype(item.dtype.newbyteorder("<")).tobytes() for item in items)
        assert check in (None, zlib.crc32(values))
        found += items
    return found


def read_model(content):
    if content[:4] == b"NRM\1":
        end = 8 + int.from_bytes(content[4:8], "little")
        document = json.loads(zlib.decompress(content[8:end], wbits=-15))
        return document, unpack_model(content[end:])
    length = int.from_bytes(content[:8], "little")
    table, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    document = json.loads(table.pop("__metadata__")["narrows.model"])
    tensors = {}
    for name, entry in table.items():
        first, last = entry["data_offsets"]
        tensor = np.frombuffer(data[first:last], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = tensor
    if document["format"] == 2:
        return document, unpack_model(tensors["packed"].tobytes())
    kinds = {"i": np.int64, "f": np.float32}
    return document, {name: tensor.astype(kinds[tensor.dtype.kind]) for name, tensor in tensors.items()}


def unpack_model(content):
    end = 4 + int.from_bytes(content[:4], "little")
    coder, tensors = RangeDecoder(content[end:]), {}
    for name, kind, shape in json.loads(zlib.decompress(content[4:end], wbits=-15)):
        rows = shape[0] if len(shape) > 1 else 1
        exponent = coder.bits(12) if np.dtype(kind).kind == "f" and math.prod(shape) else 0
        k = unpack_integers(coder, rows, math.prod(shape) // max(rows, 1)) if math.prod(shape) else np.zeros(0, int)
        if exponent:
            k = np.ldexp(k, exponent - 2**11).astype(np.float32)
        elif np.dtype(kind).kind == "f":
            k = k.astype(kind.replace("f", "i")).view(kind)
        tensors[name] = k.reshape(shape)
    return tensors


def unpack_integers(coder, rows, columns):
    """Return integers (rows, columns)."""
    unit, raw, largest = coder.bits(6), coder.bits(6), coder.bits(8)
    high = np.zeros((rows, columns), int)
    if largest:
        by, scales = coder.bits(2), np.full((rows, columns), coder.bits(6) - 16)
        if by & 1:
            scales += unpack_integers(coder, 1, rows).T
        if by & 2:
            scales += unpack_integers(coder, 1, columns)
        scales, k = np.clip(scales, -16, 47), np.arange(-largest, largest + 1)
        for scale in np.unique(scales).tolist():
            behind = np.floor(410 * (np.sqrt(1 + k * k * 2.0**-scale) - 1) + 0.5).astype(int)
            each = np.tile(frequencies(behind)[None], (int((scales == scale).sum()), 1))
            high[scales == scale] = coder.symbols(each) - largest
    low = np.zeros(rows * columns, int)
    for start in range(0, raw, 16):
        low |= np.array([coder.bits(min(16, raw - start)) for _ in low]) << start
    return high << unit + raw | low.reshape(rows, columns) << unit


def read_plan(content, grid, dtype, designs):
    """Return the step, the bound or None, the row of the tables of steps, and the name of the context model."""
    if not content:
        return 1, 0, 0, "lossless"
    if content[0] & 1:
        return content[1] / 16, None, content[1] // 16, "latent"
    if dtype.kind == "f":
        step, bound = np.frombuffer(content[2:], "<f8").tolist()
        return step, bound if content[0] & 2 else None, content[1], "lossy"
    step = sum((byte & 127) << 7 * index for index, byte in enumerate(content[1:]))
    name = "lossless" if step == 1 else "lossy"
    row = min((step**4).bit_length(), designs[name]["steps"]) - 1
    return step, (step - 1) // 2 if content[0] & 2 else None, row, name


def read_chunk(payload, shapes, axes, dtype, plan, grid, designs, tensors):
    at = 1

    def take(length):
        nonlocal at
        at += length
        return payload[at - length : at]

    def varint():
        value = shift = 0
        while (byte := take(1)[0]) >= 128:
            value, shift = value | (byte & 127) << shift, shift + 7
        return value | byte << shift

    if payload[0] == 4:
        length, parts, (total, *rest) = varint(), [], shapes[0]
        for start in range(0, total, length):
            content = take(varint()) if start + length < total else payload[at:]
            shape = (min(length, total - start), *rest)
            parts += read_chunk(content, [shape], axes, dtype, plan, grid, designs, tensors)
        return [np.concatenate(parts)]
    found = [None] * len(shapes)
    if payload[0] & 1:
        length, deflated = divmod(varint(), 2)
        bits = zlib.decompress(take(length), wbits=-15) if deflated else take(length)
        bits = np.unpackbits(np.frombuffer(bits, np.uint8), count=len(shapes), bitorder="little")
        channels = shapes[0][-1] if axes[-1] == "C" else 1
        values = unpack_values(take(varint()), dtype, channels)
        for index in np.flatnonzero(bits).tolist():
            size = math.prod(shapes[index])
            found[index], values = values[:size].reshape(shapes[index]), values[size:]
    positions, exceptions, missing = [], [], None
    if payload[0] & 2:
        plain = unpack(take(varint()))
        width = plain[0]
        count = (len(plain) - 1) // (width + dtype.itemsize)
        positions = np.cumsum(np.frombuffer(plain, f"<u{width}", count, 1).astype(int) + 1) - 1
        exceptions = from_planes(plain[1 + count * width :], dtype)
    groups = {}
    for index, shape in enumerate(shapes):
        if found[index] is None:
            groups.setdefault(tuple(shape), []).append(index)
    if payload[0] & 8:
        end, length = varint() + at, varint()
        flags = RangeDecoder(take(length))
        exceptions = from_planes(unpack(take(end - at)), dtype)
        missing = read_masks(flags, groups, axes[-1] == "C")
        positions = np.flatnonzero(missing)
        exceptions = np.broadcast_to(exceptions, positions.shape)
    coded, start = [], 0
    for number, (shape, members) in enumerate(groups.items()):
        content = take(varint()) if number + 1 < len(groups) else payload[at:]
        spatial = shape[:-1] if axes[-1] == "C" else shape
        size, absent = len(members) * math.prod(shape), None
        if missing is not None:
            absent = missing[start : start + size].reshape(len(members), *spatial, -1)
            absent = np.moveaxis(absent, -1, 1).astype(bool)
        start += size
        x = read_items(content, len(members), spatial, dtype, plan, grid, designs, tensors, absent)
        coded += zip(members, np.moveaxis(x, 1, -1).reshape(len(members), *shape), strict=True)
    flat = np.concatenate([item.reshape(-1) for _, item in coded]) if coded else np.empty(0, dtype)
    flat[positions] = exceptions
    for index, item in coded:
        found[index], flat = flat[: item.size].reshape(item.shape), flat[item.size :]
    return found


def read_masks(coder, groups, has_channels):
    """Return flags of all values: which are exceptions. groups: items, by shape."""
    frequencies, seen, found = {}, 0, []

    def flags(contexts):
        rows = np.array([frequencies.setdefault(context, [2, 2]) for context in contexts])
        bits = coder.symbols(rows).tolist()
        for context, bit in zip(contexts, bits, strict=True):
            frequencies[context][bit] += 5
        for context in set(contexts):
            if sum(frequencies[context]) > 2**18:
                frequencies[context] = [(each + 1) // 2 for each in frequencies[context]]
        return bits

    def read_mask(before):
        nonlocal seen
        if flags(["repeats"])[0]:
            return before
        mask, axes = np.zeros(before.shape, int), before.ndim
        for level, parity, _, places in passes_of(before.shape, 0):
            near = taps(parity, (), 0, [0], {"window": 2})
            near = sorted(near, key=lambda tap: sum(step * step for step in tap[1:]))[: 2 * axes]
            beside = [(0, *(0,) * axes)]
            for axis in range(axes):
                beside += [(0, *(step * (axis == other) for other in range(axes))) for step in (-1, 1)]
            there = tuple(place * 2**level for place in places)
            start = 0
            while start < len(places[0]):
                block = slice(start, start + min(max(seen // 4, 32), 4096))
                these = [place[block] for place in places]
                own = windows(mask[None, None], near, these, level) if near else np.zeros((len(these[0]), 0), int)
                other = windows(before[None, None], beside, these, level)
                contexts = [(parity, *row) for row in np.concatenate([own, other], 1).tolist()]
                mask[tuple(place[block] for place in there)] = flags(contexts)
                seen += len(contexts)
                start = block.stop
        return mask

    for shape, members in groups.items():
        *spatial, channels = shape if has_channels else (*shape, 1)
        masks = np.zeros((len(members), *spatial, channels), int)
        for channel in range(channels):
            before = masks[0, ..., channel - 1] if channel else np.zeros(spatial, int)
            for number in range(len(members)):
                before = masks[number, ..., channel] = read_mask(before)
        found.append(masks.reshape(-1))
    return np.concatenate(found)


def unpack(content):
    inflate = lambda packed: zlib.decompress(packed, wbits=-15)  # noqa: E731
    return [bytes, inflate, bz2.decompress, lzma.decompress][content[0] & 3](content[1:])


def unpack_values(content, dtype, channels):
    plain, in_order, differences = unpack(content), content[0] & 4, content[0] & 8
    words = np.dtype(f"u{dtype.itemsize}")
    values = np.frombuffer(plain, words.newbyteorder("<")).copy() if in_order else from_planes(plain, words)
    if differences:
        for channel in range(channels):
            values[channel::channels] = values[channel::channels].cumsum(dtype=words)
    return values.astype(words).view(dtype)


def from_planes(content, dtype):
    rows = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(rows.T).view(dtype.newbyteorder("<")).reshape(-1).astype(dtype)


class RangeDecoder:
    def __init__(self, payload):
        self.words = iter(np.frombuffer(payload + bytes(-len(payload) % 4), ">u4").tolist())
        self.range, self.offset = 2**64 - 1, next(self.words, 0) << 32 | next(self.words, 0)

    def symbol(self, starts):
        scale = self.range >> 24
        symbol = bisect.bisect_right(starts, self.offset // scale) - 1
        self.offset -= scale * starts[symbol]
        self.range = scale * (starts[symbol + 1] - starts[symbol])
        if self.range < 2**32:
            self.range, self.offset = self.range << 32, self.offset << 32 | next(self.words, 0)
        return symbol

    def symbols(self, frequencies):
        """Decode one symbol for each row of frequencies."""
        count = frequencies.shape[1]
        if count == 1:
            return np.zeros(len(frequencies), int)
        scale = (2**24 - count) / frequencies.sum(1, keepdims=True)
        before = frequencies.cumsum(1) - frequencies
        starts = np.floor(before * scale).astype(int) + np.arange(count)
        return np.array([self.symbol([*row, 2**24]) for row in starts.tolist()], int)

    def bits(self, count):
        return self.symbol(range(0, 2**24 + 1, 2**24 >> count))


def perceptron(tensors, name, key, group, inputs, place, row):
    """Return the outputs (P, K) of inputs (P, T) at places (P,)."""
    if not inputs.shape[1]:
        inputs = np.zeros((len(inputs), 1), int)
    h = inputs @ tensors[f"{name}.first.{key}.weight"].T + tensors[f"{name}.first.{key}.bias"]
    for table, index in (("place", place), ("step", row)):
        if len(tensors[f"{name}.{table}"]) > 1:
            h = h + tensors[f"{name}.{table}"][index]
    h = divided(h, tensors[f"{name}.first.shift"][0] + 2)
    for number in itertools.count():
        layer = f"{name}.rest.{group}.{number}"
        h = np.clip(h, 0, 255) @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
        if f"{name}.rest.{group}.{number + 1}.weight" not in tensors:
            return divided(h, tensors[f"{layer}.shift"][0] - 2)
        h = divided(h, tensors[f"{layer}.shift"][0])


def divided(sums, places):
    return (sums + (1 << places - 1)) >> places if places > 0 else sums << -places


def parities(axes):
    return sorted(itertools.product((0, 1), repeat=axes), key=lambda odd: (any(odd), -sum(odd), odd))


def channels_of_window(channel, channels):
    """Return the channels of a window: its own, then those at most three away."""
    return sorted(range(max(0, channel - 3), min(channels, channel + 4)), key=lambda other: other != channel)


def kind(channel, channels):
    return f"{min(channel, 3)}{min(channels - 1 - channel, 3)}"


def taps(parity, part, channel, others, design):
    axes, order, found = len(parity), parities(len(parity)), []
    start = [first + 2 * half for first, half in zip(parity, part or order[0], strict=True)]

    def turn(places):
        parity, half = tuple(place % 2 for place in places), tuple(place // 2 % 2 for place in places)
        return order.index(parity), order.index(half) if part and any(parity) else 0

    for other in others:
        reach = design.get("window") or WINDOW[axes] if other == channel else 1
        for steps in itertools.product(range(-reach, reach + 1), repeat=axes):
            there = turn([first + step for first, step in zip(start, steps, strict=True)])
            if there < turn(start) or (there == turn(start) and other < channel):
                found.append((other, *steps))
    return found


def windows(values, taps, places, level, reflected=True):
    """Return windows (n * P, T) of values (n, C, *S) at places (P,) on the lattice, one array for each axis."""
    found = np.zeros((len(values), len(places[0]), len(taps)), int)
    for number, (channel, *steps) in enumerate(taps):
        where, inside = [slice(None), channel], True
        for size, place, step in zip(values.shape[2:], places, steps, strict=True):
            last = -(-size // 2**level) - 1
            at = np.abs(place + step) % max(2 * last, 1)
            inside &= (place + step >= 0) & (place + step <= last) | reflected
            where.append(np.minimum(at, 2 * last - at) * 2**level)
        found[:, :, number] = values[tuple(where)] * inside
    return found.reshape(len(values) * len(places[0]), len(taps))


def cells_of(shape, cells, places):
    found = 0
    for size, count, place in zip(shape, cells, places, strict=True):
        found = found * count + place * count // size
    return found


def passes_of(shape, divided_levels):
    """Yield the level, the parity, the part and the places on the lattice, an array for each axis, of each pass."""
    levels, (origin, *odd) = (max(shape) - 1).bit_length(), parities(len(shape))
    turns = [(levels, origin, ())]
    for level, parity in itertools.product(reversed(range(levels)), odd):
        turns += [(level, parity, part) for part in (parities(len(shape)) if level < divided_levels else [()])]
    for level, parity, part in turns:
        sizes = (1,) * len(shape) if parity == origin else [-(-size // 2**level) for size in shape]
        start = [first + 2 * half for first, half in zip(parity, part or origin, strict=True)]
        along = [np.arange(first, size, 4 if part else 2) for first, size in zip(start, sizes, strict=True)]
        places = [each.reshape(-1) for each in np.meshgrid(*along, indexing="ij")]
        if len(places[0]):
            yield level, parity, part, places


def read_indices(payload, design, tensors, name, n, shape, row, size, missing=None):
    """Return indices (n, C, *shape)."""
    coder, axes, channels, top = RangeDecoder(payload), len(shape), design["channels"], design["top"]
    known, used = np.zeros((n, channels, *shape), int), None
    if design["alphabet"] == "mixtures" and known.size >= 4096 and coder.bits(1):
        used = np.flatnonzero([coder.bits(1) for _ in range(coder.bits(16) + 1)])
    seen = np.zeros((n, top + 1), int) if design["alphabet"] == "values" else None
    channels_seen = np.zeros((n, channels, top + 1), int) if design["alphabet"] == "colours" else None
    divided_levels = design.get("transform_levels", 0)
    for level, parity, part, places in passes_of(shape, divided_levels):
        there = [place * 2**level for place in places]
        cell = np.tile(cells_of(shape, design["cells"], there), n)
        if design["alphabet"] == "colours":
            row = min(level, design.get("keyed_levels", 5) - 1) if any(parity) else design.get("keyed_levels", 5) - 1
            where = sorted(
                (tap for tap in taps(parity, (), 0, [0], design)), key=lambda tap: (np.square(tap[1:]).sum(), tap)
            )[:24]
            pixels = sum(known[:, channel, None] << 8 * channel for channel in range(channels))
            around = windows(pixels, where, places, level) if where else np.zeros((n, 1), int)
            key = "".join(map(str, parity))
            k = read_colours(coder, tensors, name, key, row, around, cell, channels_seen)
            k = np.moveaxis(k.reshape(n, -1, channels), 2, 1)
            known[(slice(None), slice(None), *there)] = k
            for item, channel in np.ndindex(n, channels):
                channels_seen[item, channel] += np.bincount(k[item, channel], minlength=top + 1)
            continue
        for channel in range(channels):
            last = design.get("keyed_levels", 5) - 1
            of_key = last if not any(parity) or divided_levels else min(level, last)
            of_key = min(level, last - 1) if part else of_key
            group = min(of_key, design.get("grouped_levels", 3) - 1)
            key = f"{of_key if any(parity) else 'first'}-{''.join(map(str, parity))}"
            of_channel = min(channel, 1) if divided_levels else kind(channel, channels)
            key += f"{'_' * bool(part)}{''.join(map(str, part))}-{of_channel}"
            others = [channel, channel - 1][: channel + 1] if divided_levels else channels_of_window(channel, channels)
            where = taps(parity, part, channel, others, design)
            around = windows(np.abs(known) if part else known, where, places, level, reflected=not part)
            if design["alphabet"] == "mixtures":
                near = [index for index, tap in enumerate(where) if tap[0] == channel and max(map(abs, tap[1:])) <= 1]
                absent = np.zeros(len(around), bool)
                if missing is not None and near:
                    absent = missing[(slice(None), channel, *there)].reshape(-1)
                k = np.zeros(len(around), int)
                k[absent] = around[absent][:, near].sum(1) // max(len(near), 1)
                shifts = [2 * (coder.bits(5) - 16) if len(k) >= 1024 * n else 0 for _ in range(n)]
                shifts = np.repeat(shifts, len(k) // n)[~absent]
                args = name, key, group, around[~absent], where, channel, cell[~absent], row, top, shifts
                k[~absent] = read_mixtures(coder, tensors, *args)
            elif design["alphabet"] == "signals":
                where = taps(parity, (), 0, [0], design)
                around = windows(np.abs(known[:, channel, None]) * (np.arange(*shape) > 0), where, places, level)
                logits = signal_logits(around, [step for _, step in where], tensors[f"{name}.shape"][group], top)
                k = []
                for start in range(0, len(logits), BLOCK):
                    behind = logits[start : start + BLOCK].max(1, keepdims=True) - logits[start : start + BLOCK]
                    k += [from_token(coder, token) for token in coder.symbols(frequencies(behind)).tolist()]
                k = np.array(k)
            elif seen is None:
                k = read_residuals(coder, tensors, name, key, group, around, cell, row, top)
            else:
                inputs = windows(np.minimum(known * size, top) * 255 // top, where, places, level)
                reach = 2 if level < 2 else design.get("window") or WINDOW[axes]
                active = inputs[:, [max(map(abs, steps)) <= reach for _, *steps in where]].any(1)
                k = read_values(coder, tensors, name, key, group, inputs, cell, row, active, seen, size)
                for item, indices in enumerate(k.reshape(n, -1)):
                    seen[item] += np.bincount(indices, minlength=top + 1)
            known[(slice(None), channel, *there)] = k.reshape(n, -1)
    if design["alphabet"] == "signals":
        return unwhiten(known, top)
    return known if used is None else used[known]


def frequencies(behind):
    return np.maximum(1, np.rint(2**20 * np.exp(-np.clip(behind, 0, 3699) / 256))).astype(int)


def read_values(coder, tensors, name, key, group, inputs, cell, row, active, seen, size):
    k, top = np.zeros(len(inputs), int), seen.shape[1] - 1
    zero = tensors[f"{name}.quiet"][cell[~active]] + tensors[f"{name}.quiet_step"][row]
    flags = perceptron(tensors, f"{name}.flags", key, group, inputs[active], cell[active], row)[:, 0]
    for places, logits in ((~active, zero), (active, flags)):
        k[places] = coder.symbols(frequencies(np.stack([logits, -logits], 1)))
    nonzero = np.flatnonzero(k)
    if not len(nonzero):
        return k
    outputs = perceptron(tensors, f"{name}.main", key, group, inputs[nonzero], cell[nonzero], row)
    gate = np.clip(outputs[:, -1:] + 256, 0, 1024)
    bonus = tensors[f"{name}.bonus.{key}"][buckets(seen)]
    index = (np.arange(1, top + 1) + size // 2) // size  # of the values 1..top
    logits = outputs[:, :-1] + (bonus[nonzero // (len(k) // len(seen))][:, index] * gate >> 8)
    logits, index = logits[:, index > 0], index[index > 0]
    each = frequencies(logits.max(1, keepdims=True) - logits)
    k[nonzero] = 1 + coder.symbols(np.add.reduceat(each, np.unique(index, return_index=True)[1], 1))
    return k


def buckets(seen):
    return np.where(seen < 8, seen, np.minimum(np.log2(np.maximum(seen, 1)).astype(int) + 5, 23))


def read_residuals(coder, tensors, name, key, group, around, cell, row, top):
    k = []
    for start in range(0, len(around), BLOCK):
        block = slice(start, start + BLOCK)
        predicted = around[block] @ tensors[f"{name}.prediction.{key}"]  # in 1/4096
        inputs = relative(around[block], predicted, top)
        outputs = perceptron(tensors, f"{name}.main", key, group, inputs, cell[block], row)
        tokens = coder.symbols(frequencies(outputs.max(1, keepdims=True) - outputs))
        residuals = [from_token(coder, token) for token in tokens.tolist()]
        nearest = np.clip(predicted + 2048 >> 12, 1 - 2**top, 2**top - 1)
        k.append(np.clip(nearest + residuals, -(2**23), 2**23))
    return np.concatenate(k)


def read_mixtures(coder, tensors, name, key, group, around, where, channel, cell, row, top, shifts):
    """Return indices (P,), by windows (P, T) of taps `where` and shifts of spreads (P,)."""
    k = [np.zeros(0, int)]
    for start in range(0, len(around), BLOCK):
        block = slice(start, start + BLOCK)
        predicted = around[block] @ tensors[f"{name}.prediction.{key}"]  # in 1/4096
        inputs, scale = mixture_inputs(around[block], predicted, where, channel, top)
        outputs = perceptron(tensors, f"{name}.main", key, group, inputs, cell[block], row)
        means, spreads, weights = np.split(outputs, 3, 1)
        means = np.floor(np.clip(means, -4096, 4096) * power(scale, 4)[:, None] / 256).astype(int) + predicted[:, None]
        spreads = np.clip((spreads * 16 + 128 >> 8) + (4 * scale + shifts[block])[:, None], 112, 592)
        shares = np.maximum(frequencies(weights.max(1, keepdims=True) - weights) >> 9, 1)
        nearest = np.take_along_axis(means, weights.argmax(1)[:, None], 1) + 2048 >> 12
        nearest = np.clip(nearest, 1 - 2**top, 2**top - 1)
        symbols = coder.symbols(token_frequencies(means - (nearest << 12), spreads, shares, top + 1))
        places = symbols - 15 - 8 * max(0, top - 3)
        residuals = [from_token(coder, 2 * abs(place) - (place < 0)) for place in places.tolist()]
        k.append(np.clip(nearest[:, 0] + residuals, -(2**23), 2**23))
    return np.concatenate(k)


def mixture_inputs(around, predicted, where, channel, top):
    """Return the inputs of a perceptron, and local scales in quarters of octaves."""
    steps = np.array([max(map(abs, steps)) for _, *steps in where], int)
    order = list(dict.fromkeys([channel, *(other for other, *_ in where)]))
    own = np.array([other == channel for other, *_ in where], bool)
    near = {tap[1:]: index for index, tap in enumerate(where) if own[index] and steps[index] == 1}
    differences, sizes, others = np.zeros(around.shape, int), [], []
    differences[:, own] = (around[:, own] << 12) - predicted[:, None]
    for other in order:
        these = [index for index, tap in enumerate(where) if tap[0] == other]
        nearest = [index for index in these if where[index][1:] in near]
        if other != channel:
            mean = mean_of(around[:, nearest or these])
            differences[:, these] = (around[:, these] << 12) - mean[:, None]
            others.append(nearest)
    if near:
        sizes = [
            np.abs(differences[:, own & (steps <= reach)]).sum(1) // (own & (steps <= reach)).sum()
            for reach in (1, 2, 4)
        ]
        first = (around[:, list(near.values())] << 12) - mean_of(around[:, list(near.values())])[:, None]
        for nearest in others:
            sizes += [
                np.abs(each).sum(1) // len(near) for each in (differences[:, nearest], first - differences[:, nearest])
            ]
        sizes = [size + 1024 for size in sizes]
    else:
        sizes = [np.full(len(around), 2 ** (top + 10))] * (3 + 2 * len(others))
    scale = logarithm(sizes[0] + sizes[1] >> 1) // 4
    parts = np.rint(2**15 * 2 ** (-(scale % 4) / 4)) * 2.0 ** (-10 - scale // 4)
    divided = np.floor(differences * parts[:, None] + 0.5).astype(int)
    logs = (np.stack([logarithm(size) for size in sizes], 1) - 160) * 255 // (16 * (top + 2))
    inputs = np.concatenate([divided, logs, (predicted >> top + 4)[:, None]], 1)
    return np.clip(inputs, -255, 255), scale


def mean_of(values):
    """Return the mean of values (P, T) in 1/4096, which its first value rounds."""
    return values.sum(1) * (4096 // values.shape[1]) + values[:, 0] * (4096 % values.shape[1])


def logarithm(sizes):
    """Return binary logarithms in 1/16, rounded down, of the upper 9 bits of numbers."""
    octave = np.floor(np.log2(sizes)).astype(int)
    octave += (sizes >> octave > 1).astype(int) - (sizes >> octave < 1)
    upper = np.where(octave > 8, sizes >> np.maximum(octave - 8, 0), sizes << np.maximum(8 - octave, 0))
    return 16 * octave + np.floor(16 * np.log2(upper / 256)).astype(int)


def power(exponent, parts):
    """Return 2^(exponent / parts) with 14 bits behind the point of its fraction's."""
    return np.rint(2**14 * 2 ** (exponent % parts / parts)) * 2.0 ** (exponent // parts - 14)


def token_frequencies(means, spreads, shares, bits):
    """Return the frequencies of tokens in the order of what they stand for."""
    tokens = np.arange(1, 16 + 8 * max(0, bits - 4))
    octave = np.maximum(tokens - 16, 0) // 8
    smallest = np.where(tokens < 16, tokens, 8 + (tokens & 7) << octave + 1)
    ends = np.concatenate([2048 - (smallest[::-1] << 12), (smallest << 12) - 2048])
    table = np.rint(2**18 / (1 + np.exp(-np.arange(-256, 258) / 16))).astype(int)
    sums = 0
    for mean, spread, share in zip(means.T, spreads.T, shares.T, strict=True):
        z = np.floor((ends - mean[:, None]) * power(-spread, 16)[:, None] * 1024)
        entry, rest = divmod(np.clip(z, -16384, 16384).astype(int) + 16384, 64)
        sums = sums + share[:, None] * (table[entry] + ((table[entry + 1] - table[entry]) * rest >> 6))
    return np.diff(sums, prepend=0, append=(shares.sum(1) << 18)[:, None], axis=1) + 1


def read_colours(coder, tensors, name, key, row, around, cell, seen):
    """Return the channels of pixels, (P, C). seen: how often each item has shown each value of each channel."""
    n, channels, top = len(seen), seen.shape[1], seen.shape[2] - 1
    found, scale, same = around[:, 0].copy(), 255 // top, around == around[:, :1]
    flat, new = same[:, :12].all(1).astype(int) + same.all(1), np.zeros(len(around), bool)
    for kind in (2, 1):
        logits = np.full((flat == kind).sum(), tensors[f"{name}.flat"][row, kind - 1])
        new[flat == kind] = coder.symbols(frequencies(np.stack([logits, -logits], 1)))
    others = np.flatnonzero(flat == 0)
    if len(others):
        near = [list(dict.fromkeys(window))[:4] for window in around[others].tolist()]
        inputs = np.array([repeat_inputs(*each, channels, scale) for each in zip(around[others], near, strict=True)])
        logits = perceptron(tensors, f"{name}.repeats", key, 0, inputs, cell[others], row)
        for index, each in enumerate(near):
            logits[index, len(each) : 4] = -(2**15)
        symbols = coder.symbols(frequencies(logits.max(1, keepdims=True) - logits))
        new[others] = symbols == 4
        found[others] = [each[symbol % 4 % len(each)] for each, symbol in zip(near, symbols, strict=True)]
    found = np.stack([found >> 8 * channel & 255 for channel in range(channels)], 1)
    places = np.flatnonzero(new)
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        known = [[] for _ in block]
        for channel in range(channels):
            parts = [channel_inputs(*each, channels, scale) for each in zip(around[block], known, strict=True)]
            inputs = np.array([inputs for inputs, *_ in parts])
            outputs = perceptron(tensors, f"{name}.main", f"{key}-{channel}", 0, inputs, None, row)
            logits, gate, binned, gates = np.split(outputs, [top + 1, top + 2, top + 35], 1)
            bonus = tensors[f"{name}.bonus.{key}-{channel}"][buckets(seen[:, channel])]
            logits = logits + (bonus[block // (len(new) // n)] * np.clip(gate + 256, 0, 1024) >> 8)
            for index, (_, first, second, raised) in enumerate(parts):
                for value in range(top + 1):
                    share = (value - first) * 16 // (second - first) + 8 if first != second else -1
                    logits[index, value] += binned[index, share if 0 <= share < 32 else 32]
                for value, gate in zip(raised, gates[index], strict=True):
                    if value is not None and 0 <= value <= top:
                        logits[index, value] += gate
            for colour, symbol in zip(
                known, coder.symbols(frequencies(logits.max(1, keepdims=True) - logits)), strict=True
            ):
                colour.append(int(symbol))
        found[block] = known
    return found


def channels_of(colour, channels):
    return np.array([int(colour) >> 8 * channel & 255 for channel in range(channels)])


def repeat_inputs(window, near, channels, scale):
    padded = (near + near[:1] * 3)[:4]
    first, second, third = (channels_of(colour, channels) for colour in padded[:3])
    equal = [255 * (window == colour) for colour in padded[:3]]
    more = [255 * (len(near) > number) for number in (1, 2, 3)]
    relative = np.concatenate([first, second - first, third - first]) * scale
    shares = [share(channels_of(colour, channels), first, second) for colour in window]
    return np.concatenate([*equal, more, relative, shares])


def share(colour, first, second):
    widest = np.argmax(np.abs(second - first)[: len(colour)])
    length = second[widest] - first[widest]
    return np.clip((colour[widest] - first[widest]) * 128 // length, -255, 255) if length else 0


def common_colours(window, channels, scale):
    colours, chosen = list(dict.fromkeys(window)), []

    def rank(colour):
        differences = [np.abs(channels_of(colour, channels) - channels_of(other, channels)).max() for other in chosen]
        alike = sum(int(difference * scale < 8) + int(difference == 0) for difference in differences)
        return alike, -window.count(colour), window.index(colour)

    for _ in range(3):
        chosen.append(min(colours, key=rank))
    return chosen


def channel_inputs(window, known, channels, scale):
    """Return inputs, the channel in the first two common colours, and what gates raise."""
    window, channel = window.tolist(), len(known)
    colours = common_colours(window, channels, scale)
    first, second, third = common = [channels_of(colour, channels) for colour in colours]
    near = list(dict.fromkeys(window))[:4]
    near = [channels_of(colour, channels) for colour in (near + near[:1] * 3)[:4]]

    blends, there = [], []
    for one, other in itertools.combinations(common, 2):
        widest = np.argmax(np.abs(other - one)[:channel]) if channel else 0
        length = other[widest] - one[widest] if channel else 0
        there.append(bool(length))
        along = (2 * (known[widest] - one[widest]) * (other - one)[channel] + length) // (2 * length) if length else 0
        blends.append(np.clip(one[channel] + along, 0, 255))
    before = np.append(np.array(known, int) - first[:channel], np.zeros(channels - channel, int))
    relative = [first, second - first, third - first, near[0] - first, near[1] - first, before, blends - first[channel]]
    inputs = [
        [share(channels_of(colour, channels), first, second) for colour in window],
        [255 * (colour == colours[2]) for colour in window],
        255 * np.array(there),
        np.concatenate(relative) * scale,
        [share(known, first, second) if channel else 0],
    ]
    raised = [each[channel] for each in (*common, *near)]
    raised += [
        blend + offset if is_there else None
        for offset in (-2, -1, 0, 1, 2)
        for blend, is_there in zip(blends, there, strict=True)
    ]
    return np.concatenate(inputs), first[channel], second[channel], raised


def from_token(coder, token):
    magnitude = (token + 1) // 2
    if magnitude >= 16:
        octave, eighth = divmod(magnitude - 16, 8)
        magnitude = (8 + eighth << octave + 1) + coder.bits(octave + 1)
    return -magnitude if token % 2 else magnitude


def relative(around, predicted, top):
    """Return the inputs of a perceptron for indices (P, T) around a prediction (P,) in 1/4096."""
    eighths = ((around << 12) - predicted[:, None] + 256) >> 9
    size = np.minimum(np.abs(eighths), 2**22 - 1)
    size = np.where(size < 2048, size, size // 2048 * 2048 + 1024)
    compressed = np.rint(255 * np.log2(1 + size / 2) / 21).astype(int) * np.sign(eighths)
    return np.concatenate([compressed, np.clip(predicted >> 4 + top, -255, 255)[:, None]], 1)


def read_items(payload, n, shape, dtype, plan, grid, designs, tensors, missing):
    """Return values (n, C, *shape)."""
    step, bound, row, name = plan
    design, whole = designs[name], dtype.kind != "f"
    if name == "latent":
        k = read_indices(payload, design, tensors, name, n, shape, row, 1)
        return from_coefficients(k, step, dtype, designs["architecture"], designs["scaling"], tensors)
    if designs.get("lossless") == designs.get("lossy"):
        name = "lossy"
    k = read_indices(payload, design, tensors, name, n, shape, row, step if whole else 1, missing)
    middles = step == 1 or "dequantiser.place" not in tensors
    fraction = np.zeros_like(k) if middles else fractions(k, designs["lossy"], tensors, row, step)
    if whole:
        lowest, highest = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        lowest, highest = max(lowest, grid["low"]), min(highest, grid["high"], 2**62, grid["low"] + (2**23 - 1) * step)
        value = k * step + grid["low"]
        least = np.clip(value - step // 2, lowest, highest)
        most = np.clip(value - step // 2 + step - 1, lowest, highest)
        if bound is not None:
            least, most = most - bound, least + bound
        value = np.minimum(np.maximum(value + (fraction * step + 128 >> 8), least), most)
        return np.clip(value, lowest, highest).astype(dtype)
    least, most = (k - 0.5) * step + grid["origin"], (k + 0.5) * step + grid["origin"]
    if bound is not None:
        least, most = most - bound, least + bound
    value = np.minimum(np.maximum((k + fraction / 256) * step + grid["origin"], least), most)
    return np.clip(value, -np.finfo(dtype).max, np.finfo(dtype).max).astype(dtype)


def from_coefficients(k, entry, dtype, architecture, scaling, tensors):
    """Return the values (n, C, *S) of indices of wavelet coefficients."""
    ranged = scaling["kind"] == "range"
    z = (k.astype(np.float32) * np.float32((1 / 64 if ranged else 1 / 16) * 2 ** (entry / 2))).astype(float)
    for level in reversed(range(architecture["levels"])):
        for axis in reversed(range(2, z.ndim)):
            every = np.moveaxis(z[(..., *[slice(None, None, 2**level)] * (z.ndim - 2))], axis, -1)
            size = every.shape[-1]
            if size == 1:
                continue
            every[..., ::2] *= 1 / GAIN
            every[..., 1::2] *= 1 / (1 / GAIN)
            for number, weight in reversed(list(enumerate(LIFTING))):
                place = np.arange(1 - number % 2, size, 2)
                after = np.where(place + 1 < size, place + 1, size - 2)
                every[..., place] += -weight * (every[..., np.abs(place - 1)] + every[..., after])
    rows = tensors["network.matrix"].astype(float).T.tolist()
    x = np.stack([sum(z[:, other] * weight for other, weight in enumerate(row)) for row in rows], 1).astype(np.float32)
    if ranged:
        x = np.clip(x, 0, 1) * np.float64(scaling["high"] - scaling["low"]) + scaling["low"]
    else:
        scale, mean = (np.reshape(scaling[name], (-1, *[1] * (x.ndim - 2))) for name in ("scale", "mean"))
        x = x * scale.astype(float) + mean
    if dtype.kind == "f":
        return x.astype(dtype)
    lowest, highest = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return np.clip(np.rint(x), lowest, highest).astype(dtype)


def fractions(k, design, tensors, row, size):
    """Return what the dequantiser adds to indices (n, C, *S), in 1/256 of a step."""
    n, channels, *shape = k.shape
    axes, top, found = len(shape), design["top"], np.zeros_like(k)
    places = [each.reshape(-1) for each in np.meshgrid(*map(np.arange, shape), indexing="ij")]
    cell = np.tile(cells_of(shape, design["cells"], places), n)
    for channel in range(channels):
        where = []
        for other in channels_of_window(channel, channels):
            reach = AROUND[axes] if other == channel else 1
            where += [(other, *steps) for steps in itertools.product(range(-reach, reach + 1), repeat=axes)]
        own = k[:, channel].reshape(-1)
        if design["alphabet"] == "values":
            inputs = windows(np.minimum(k * size, top) * 255 // top, where, places, 0)
        else:
            inputs = relative(windows(k, where, places, 0), own << 12, top)
        out = perceptron(tensors, "dequantiser", kind(channel, channels), 0, inputs, cell, row)[:, 0]
        if design["alphabet"] == "values":
            point, unit = own * size, 2 ** (top.bit_length() - 1)
            out = ((out * unit + 128 >> 8) + np.minimum(point, top) - point) * inputs.any(1)
            out = (out * 256 + size // 2) // size
        found[:, channel] = np.clip(out, -128, 127).reshape(n, *shape)
    return found
