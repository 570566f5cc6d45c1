"""Work on threads, its results in order: how an archive is made and read on every core, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")


class Stage(Generic[_Result]):
    """Calls that worker threads make; their results are taken in the order in which they were submitted.

    What runs in the calls has to let go of the interpreter's lock, as hashing, ciphers and compression of large
    buffers do. With one thread the calls follow one another, so that they may share state. An error of a call is
    raised where its result is taken.

    Use it as a context manager: on leaving, whatever happened, no thread is left.

    Args:
        threads: how many calls are made at once.
        limit: how many may be under way or waiting to be taken; more than that and the caller has to take one first.
    """

    def __init__(self, threads: int, *, limit: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self._calls: deque[Future[_Result]] = deque()
        self._limit = limit

    @property
    def is_full(self) -> bool:
        """Whether a result has to be taken before the next call."""
        return len(self._calls) >= self._limit

    def __len__(self) -> int:
        return len(self._calls)

    def submit(
        self, call: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> None:
        """Have a call made.

        Raises:
            MemoryError: if there is none for a thread.
        """
        try:
            self._calls.append(self._pool.submit(call, *args, **kwargs))
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            raise MemoryError(str(error)) from error

    def take(self) -> _Result:
        """The oldest result that was not taken, waited for."""
        return self._calls.popleft().result()

    def __enter__(self) -> Stage[_Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
