"""HyperImpute at its defaults, run by a Python of its own, since it needs older scikit-learn and pandas than the rest.

    PYTHON table_hyperimpute.py GIVEN.npz FILLED.npy

GIVEN holds `matrix` (rows, columns), NaN where a cell is empty, `classes`, which is more than any column of categories
has values and less than any other, and `seed`.
"""

import sys
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")

if __name__ == "__main__":
    from hyperimpute.plugins.imputers import Imputers

    given = np.load(sys.argv[1])
    settings = {"random_state": int(given["seed"]), "class_threshold": int(given["classes"])}
    imputer = Imputers().get("hyperimpute", **settings)
    np.save(sys.argv[2], np.asarray(imputer.fit_transform(pd.DataFrame(given["matrix"])), float))
