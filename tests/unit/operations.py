"""Which operations of torch a computation uses."""

import re
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = "mm|matmul|mv|dot|linear|conv|einsum|linalg|addr|mkl|batch_norm|cdist"
FUNCTIONS = "a?(sin|cos|tan)h?|erf|erfc|erfinv|exp|log|log10|sqrt"  # by MKL, which rounds them by the processor


class NoProducts(TorchDispatchMode):
    """Refuses torch's own products and what else may call MKL or oneDNN, and notes all other operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert not re.search(f"{PRODUCTS}|^({FUNCTIONS})_?$", name), name
        self.seen.add(name)
        return func(*args, **(kwargs or {}))
