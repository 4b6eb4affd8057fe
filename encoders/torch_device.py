"""Device and number format of a torch model, found or chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from schemas.errors import EncoderError

T = TypeVar("T")
R = TypeVar("R")

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""What ``precision`` may be for every torch model; BGE-M3 has ``INT8`` besides."""

INT8 = "int8"
"""8-bit integers on a CPU, a space of its own: its vectors differ more from the others than those do."""


def choose_device(device: str | None) -> str:
    """``device`` itself, or the best that is there: ``cuda``, ``mps`` or ``cpu``.

    Raises
    ------
    EncoderError
        It is not among the devices of this machine, which the message names.

    """
    there = _devices(require_torch())
    if device and device not in there:
        raise EncoderError(f"There is no device {device!r} here; choose one of {', '.join(there)}.")
    return device or next((best for best in ("cuda", "mps") if best in there), "cpu")


def _devices(torch: Any) -> list[str]:
    """The devices that torch can run on here, ``cpu`` first, one of several also by its number."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found += ["mps", "mps:0"]
    # Intel's and others' cards, which newer versions of torch know.
    if (accelerator := getattr(torch, "accelerator", None)) and accelerator.is_available():
        kind = accelerator.current_accelerator().type
        found += [kind, *(f"{kind}:{number}" for number in range(accelerator.device_count()))]
    return list(dict.fromkeys(found))


def choose_precision(precision: str, device: str) -> str:
    """Resolve ``auto``: float16 on CUDA, bfloat16 where the processor multiplies it, else float32.

    Raises
    ------
    EncoderError
        No such precision.

    """
    if precision == INT8:
        raise EncoderError(f"The precision int8 is BGE-M3's alone, on a CPU; choose one of {', '.join(PRECISIONS)}.")
    if precision not in PRECISIONS:
        raise EncoderError(f"There is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "float16"
    return "bfloat16" if device == "cpu" and has_bfloat16() else "float32"


def has_bfloat16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has instructions for products of bfloat16 (AVX512-BF16, AMX or Arm's)."""
    try:
        text = cpu_info.read_text("utf-8", errors="replace")
    except OSError:
        return False
    for line in text.splitlines():
        if line.lower().startswith(("flags", "features")):
            return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(line.split())
    return False


def one_thread_each(torch: Any, work: Callable[[T], R]) -> Callable[[Sequence[T]], Iterator[R]]:
    """Run ``work`` on several inputs at a time, each on one thread of its own.

    torch's own threads meet at the end of every small operation, and wait there for the slowest: on a
    busy machine that is most of the time. Results come in the order of the inputs.
    """

    def run(inputs: Sequence[T]) -> Iterator[R]:
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(min(threads, len(inputs)), initializer=torch.set_num_threads, initargs=(1,))
        try:
            yield from pool.map(work, inputs)
        finally:
            pool.shutdown(cancel_futures=True)
            # New threads of the process would otherwise begin with the workers' number.
            torch.set_num_threads(threads)

    return run


def require_torch() -> Any:
    """Import torch.

    Raises
    ------
    EncoderError
        The extra ``models`` is not installed.

    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise EncoderError(
            "This encoder needs torch and transformers; install them with: pip install 'xunyi[models]'"
        ) from error
    del transformers
    return torch
