"""On which processor something was computed."""

import platform

from digitpairs.networks.kernels import cpuinfo


def processor() -> str:
    """Name the processor, if its name is known."""
    return cpuinfo("model name") or platform.processor()
