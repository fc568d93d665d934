"""Products with one matrix that stays the same, laid out for them once.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class Product:
    """A matrix, (out, in), laid out by oneDNN, where torch has it, for products with about so many rows.

    Otherwise each product with few rows lays the matrix out anew, which takes half of its time. In float32 oneDNN is
    also 2.8 times as fast as what torch takes by itself on an AMD EPYC, with the same sums (`docs/performance.md`).
    """

    def __init__(self, weight: Tensor, *, n_rows: int) -> None:
        """Lay out a matrix that lies on the CPU; of any other device it is taken as it is."""
        self._weight, self._is_laid_out = weight, False
        if weight.device.type != "cpu":
            return
        try:
            laid_out = torch.ops.mkldnn._reorder_linear_weight(weight, n_rows)
            torch.ops.mkldnn._linear_pointwise(weight[:1], laid_out, None, "none", [], "")
        except (AttributeError, RuntimeError, TypeError):
            return  # torch without oneDNN, or another version of it
        self._weight, self._is_laid_out = laid_out, True

    def apply(self, x: Tensor) -> Tensor:
        """Give the product, (rows, out), with (rows, in)."""
        if self._is_laid_out:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")
            return product
        return functional.linear(x, self._weight)
