"""The compiled kernel of the codec, which is built where a compiler is present; NumPy takes its place elsewhere."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "narrows.codec.entropy._kernel",
            ["src/narrows/codec/entropy/_kernel.c"],
            depends=[
                f"src/narrows/codec/entropy/_kernel_{part}.h"
                for part in ("perceptron", "coding", "coding_calls", "layers", "mixtures", "mixture_calls", "whitening")
            ],
            extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
