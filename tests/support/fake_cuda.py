"""A GPU without a GPU: PyTorch's CUDA calls on tensors that say they lie on `cuda:0` and are computed at once.

It finds what is used without being ordered, as a checker of happens-before does: every stream and every thread of the
host has a vector clock, every storage knows who wrote and who read it, and an access that is not after the last write
(a write: and after all reads) is noted in `races`. So is memory that is freed while another stream may use it, and
pinned memory that is sent again before it was read. A copy into pinned memory arrives only when somebody waits for it:
until then that holds noise.

It counts what costs time: waits of the host (those that find their work done long since do not count), kernels, copies
between host and device, and launches of networks. Operations on other threads than the test's need `FakeGpu.mode`.
"""

import threading
import traceback
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pymafx_live.engines.imaging import device
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cuda:0")
Clock = dict[int, int]
"""For each stream the time up to which its work is known to be done."""
NO_KERNEL = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "lift_fresh"}
READ_BY_HOST = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2"}
"""Operations whose result the host waits for."""
INDEXED = {"index", "index_put", "index_put_"}
"""Operations that bring up indices which lie on the host, and wait for each."""


class Uses:
    """Who wrote and read a storage, each a stream and its time; `owner` is the stream that it was taken on."""

    def __init__(self, owner: int, time: int) -> None:
        self.owner, self.write, self.reads = owner, (owner, time), {}
        self.recorded: set[int] = set()


class Memory:
    """One storage on the device."""

    def __init__(self, gpu: "FakeGpu", uses: Uses) -> None:
        self.uses = uses
        weakref.finalize(self, gpu.freed, uses).atexit = False


class DeviceTensor(torch.Tensor):
    """A tensor on the fake device; `inner` holds its values."""

    gpu: "FakeGpu"

    @staticmethod
    def __new__(cls, inner: torch.Tensor, memory: Memory) -> "DeviceTensor":
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype
        )
        made.inner, made.memory = inner, memory
        return made

    @property
    def device(self) -> torch.device:
        return DEVICE

    @property
    def is_cuda(self) -> bool:
        return True

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def cpu(self) -> torch.Tensor:
        return self.gpu.down(self)

    def to(self, *args: Any, **options: Any) -> torch.Tensor:
        if any(str(value) == "cpu" for value in (*args, options.get("device"))):
            return self.gpu.down(self)
        rest = [value for value in args if not isinstance(value, str | torch.device)]
        options.pop("device", None)
        return torch.Tensor.to(self, *rest, **options)

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def new_tensor(self, data: Any, **options: Any) -> torch.Tensor:
        return torch.as_tensor(data).to(DEVICE)

    def record_stream(self, stream: "Stream") -> None:
        self.memory.uses.recorded.add(stream.cuda_stream)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"DeviceTensor({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return cls.gpu.dispatch(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Has the device make what is made on it."""

    def __init__(self, gpu: "FakeGpu") -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._gpu.dispatch(func, args, kwargs or {})


class Stream:
    """See `torch.cuda.Stream`."""

    gpu: "FakeGpu"

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self.cuda_stream = self.gpu.new_stream()

    def wait_event(self, event: "Event") -> None:
        self.gpu.join(self.cuda_stream, event.clock)

    def wait_stream(self, stream: "Stream") -> None:
        self.gpu.join(self.cuda_stream, self.gpu.clock(stream.cuda_stream))

    def record_event(self, event: "Event | None" = None) -> "Event":
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        self.gpu.wait(self.gpu.clock(self.cuda_stream))


class Event:
    """See `torch.cuda.Event`; one that was never recorded is done."""

    gpu: "FakeGpu"

    def __init__(self, **options: Any) -> None:
        self.clock: Clock = {}

    def record(self, stream: Stream | None = None) -> None:
        self.clock = self.gpu.clock((stream or self.gpu.current_stream()).cuda_stream)

    def wait(self, stream: Stream | None = None) -> None:
        (stream or self.gpu.current_stream()).wait_event(self)

    def synchronize(self) -> None:
        self.gpu.wait(self.clock)


class _OnStream:
    """See `torch.cuda.stream`; it may be entered again and again."""

    def __init__(self, gpu: "FakeGpu", stream: Stream) -> None:
        self._gpu, self._stream = gpu, stream

    def __enter__(self) -> None:
        self._gpu.enter(self._stream)

    def __exit__(self, *error: object) -> None:
        self._gpu.leave()


class CudaGraph:
    """See `torch.cuda.CUDAGraph`; it holds launches of networks."""

    gpu: "FakeGpu"

    def __init__(self) -> None:
        self.launches: list[Callable[[], None]] = []

    def replay(self) -> None:
        assert self.launches, "an empty graph"
        for launch in self.launches:
            launch()


class FakeGpu:
    """The device, and what was done on it."""

    def __init__(self) -> None:
        self.races: list[str] = []
        self.counts: Counter[str] = Counter()
        self.where: Counter[str] = Counter()
        """Each kind of cost by the line of ours that causes it, while `trace` is set."""
        self.trace = False
        self._clocks: dict[int, Clock] = {0: {0: 0}}
        self._local = threading.local()
        self._lock = threading.RLock()
        self._memory: weakref.WeakValueDictionary[int, Memory] = weakref.WeakValueDictionary()
        self._pinned: dict[int, torch.Tensor] = {}
        self._sent: list[tuple[int, int, int, int]] = []  # from, to, stream, time of copies out of pinned memory
        self._arriving: list[tuple[int, int, Callable[[], Any]]] = []
        self._default = Stream.__new__(Stream)
        self._default.cuda_stream = 0
        self._on = True

    @contextmanager
    def mode(self) -> Iterator[None]:
        """This thread's PyTorch makes tensors on the device."""
        with _Mode(self):
            yield

    def replace(self, patch: pytest.MonkeyPatch) -> None:
        """Takes the place of CUDA in PyTorch."""
        for cls in (Stream, Event, CudaGraph, DeviceTensor):
            patch.setattr(cls, "gpu", self, raising=False)
        cuda = torch.cuda
        patch.setattr(cuda, "_lazy_init", lambda: None)
        patch.setattr(cuda, "is_available", lambda: True)
        patch.setattr(cuda, "Stream", Stream)
        patch.setattr(cuda, "Event", Event)
        patch.setattr(cuda, "CUDAGraph", CudaGraph)
        patch.setattr(cuda, "current_stream", lambda device=None: self.current_stream())
        patch.setattr(cuda, "stream", self.on_stream)
        patch.setattr(cuda, "device", lambda device: _nothing())
        patch.setattr(cuda, "graph", self.capturing)
        patch.setattr(device, "_pixels", cache(device._pixels.__wrapped__))  # what is kept belongs to one GPU

    def watch(self, trt: ModuleType, patch: pytest.MonkeyPatch) -> None:
        """Has the stand-in of TensorRT tell what its networks read and write, on which stream."""
        context, real = trt.IExecutionContext, trt.IExecutionContext.execute_async_v3

        def execute(this: Any, stream_handle: int) -> bool:
            captured = getattr(self._local, "captured", None)
            if captured is not None:
                captured.append(lambda: self._launch(this, real, self.current_stream().cuda_stream))
                return True
            return self._launch(this, real, stream_handle)

        patch.setattr(context, "execute_async_v3", execute)

    def _launch(self, context: Any, execute: Any, stream: int) -> bool:
        with self._lock:
            time = self._began(stream)
            self._count("networks")
            for name, address in context._addresses.items():
                self._access(self._memory[self._storage_at(address)], stream, time, name not in context._engine.inputs)
            self._access(self._memory[self._storage_at(context._scratch)], stream, time, True)
        done: bool = execute(context, stream)
        return done

    def _storage_at(self, address: int) -> int:
        return address if address in self._memory else max(start for start in self._memory if start <= address)

    # streams and clocks

    def new_stream(self) -> int:
        with self._lock:
            number = len(self._clocks)
            self._clocks[number] = {number: 0}
            return number

    def current_stream(self) -> Stream:
        return getattr(self._local, "streams", [self._default])[-1]

    def on_stream(self, stream: Stream) -> "_OnStream":
        return _OnStream(self, stream)

    def enter(self, stream: Stream) -> None:
        if not hasattr(self._local, "streams"):
            self._local.streams = [self._default]
        self._local.streams.append(stream)

    def leave(self) -> None:
        self._local.streams.pop()

    @contextmanager
    def capturing(self, graph: CudaGraph, stream: Stream | None = None, **options: Any) -> Iterator[None]:
        self._local.captured = graph.launches
        try:
            with self.on_stream(stream or Stream()):
                yield
        finally:
            self._local.captured = None

    def clock(self, stream: int) -> Clock:
        return dict(self._clocks[stream])

    def join(self, stream: int, clock: Clock) -> None:
        """What comes on that stream is after what the clock knows."""
        with self._lock:
            _merge(self._clocks[stream], clock)

    def _host(self) -> Clock:
        """What this thread knows to be done."""
        if not hasattr(self._local, "clock"):
            self._local.clock = {}
        clock: Clock = self._local.clock
        return clock

    def wait(self, clock: Clock) -> None:
        """The host waits until what the clock knows is done."""
        with self._lock:
            host = self._host()
            if any(host.get(stream, 0) < time for stream, time in clock.items()):
                self._count("waits")
            _merge(host, clock)
            late = [(s, t, arrive) for s, t, arrive in self._arriving if host.get(s, 0) < t]
            for s, t, arrive in self._arriving:
                if host.get(s, 0) >= t:
                    arrive()
            self._arriving = late

    def _began(self, stream: int) -> int:
        """Something is queued on a stream: after all that the host knows to be done."""
        with self._lock:
            clock = self._clocks[stream]
            _merge(clock, self._host())
            clock[stream] += 1
            return clock[stream]

    # memory

    def _access(self, memory: Memory, stream: int, time: int, write: bool) -> None:
        uses, clock = memory.uses, self._clocks[stream]
        before = [("written", *uses.write)]
        if write:
            before += [("read", s, t) for s, t in uses.reads.items()]
        for what, s, t in before:
            if s != stream and clock.get(s, 0) < t:
                self._race(f"stream {stream} {'writes' if write else 'reads'} what stream {s} has {what}, in any order")
        if write:
            uses.write, uses.reads = (stream, time), {}
        else:
            uses.reads[stream] = time

    def freed(self, uses: Uses) -> None:
        """Whoever is given that memory next writes to it, on the owner's stream."""
        if not self._on:
            return
        known, host = self._clocks[uses.owner], self._host()
        for s, t in (uses.write, *uses.reads.items()):
            if s != uses.owner and s not in uses.recorded and max(known.get(s, 0), host.get(s, 0)) < t:
                self._race(f"memory of stream {uses.owner} is free again while stream {s} may use it")

    def _race(self, what: str) -> None:
        self.races.append(f"{what}: {_our_lines(3)}")

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        if self.trace:
            self.where[f"{what} at {_our_lines(2)}"] += 1

    def _memory_of(self, inner: torch.Tensor) -> Memory:
        address = inner.untyped_storage().data_ptr()
        known = self._memory.get(address) if address else None
        if known is None:
            stream = self.current_stream().cuda_stream
            known = Memory(self, Uses(stream, self._clocks[stream][stream]))
            if address:
                self._memory[address] = known
        return known

    def _placed(self, inner: torch.Tensor) -> DeviceTensor:
        return DeviceTensor(inner, self._memory_of(inner))

    # operations

    def dispatch(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """What PyTorch calls for every operation."""
        name = func.overloadpacket.__name__
        there = [t for t in tree_leaves((args, kwargs)) if isinstance(t, DeviceTensor)]
        asked = kwargs.get("device")
        on_device = asked is not None and torch.device(asked).type == "cuda"
        if not there and not on_device:
            return self._on_host(func, args, kwargs)
        with self._lock:
            if name == "copy_":
                return self._copy(*args, **kwargs)
            if name == "_to_copy" and not there:
                return self._up(func, args, kwargs)
            if name in INDEXED:
                args = self._indices_up(args)
            return self._run(func, name, args, kwargs)

    def _on_host(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        pinned = kwargs.pop("pin_memory", False)
        made = func(*args, **kwargs)
        if pinned:
            self._pinned[made.untyped_storage().data_ptr()] = made
        return made

    def _run(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """One operation on the device, of tensors that all lie there."""
        written = [
            i for i, a in enumerate(func._schema.arguments) if a.alias_info is not None and a.alias_info.is_write
        ]
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, torch.Tensor) and not isinstance(value, DeviceTensor) and value.dim():
                raise RuntimeError(f"Expected all tensors to be on the same device, but {name} is given two")
        options = {k: v for k, v in kwargs.items() if k not in ("device", "pin_memory")}
        given, options = tree_map(_inner, (args, options))
        made = func(*given, **options)
        sources = {id(t.memory): t for t in tree_leaves((args, kwargs)) if isinstance(t, DeviceTensor)}
        results = tree_map(lambda v: self._placed(v) if isinstance(v, torch.Tensor) else v, made)
        fresh = [r for r in tree_leaves(results) if isinstance(r, DeviceTensor) and id(r.memory) not in sources]
        if name in READ_BY_HOST or _has_mask(name, args):
            self._note(sources.values(), [], fresh)
            self.wait(self.clock(self.current_stream().cuda_stream))
        elif written:
            self._note(sources.values(), [args[i] for i in written if i < len(args)], fresh)
            return args[0]  # in place
        elif name not in NO_KERNEL and (fresh or not sources):
            self._note(sources.values(), [], fresh)
        return results

    def _note(self, read: Any, written: Any, fresh: Any) -> None:
        stream = self.current_stream().cuda_stream
        time = self._began(stream)
        self._count("kernels")
        for tensor in read:
            self._access(tensor.memory, stream, time, False)
        for tensor in (*written, *fresh):
            self._access(tensor.memory, stream, time, True)

    def _up(self, func: Any, args: Any, kwargs: dict[str, Any]) -> DeviceTensor:
        """A copy of a host's tensor on the device."""
        (source,), options = args, {k: v for k, v in kwargs.items() if k not in ("device", "pin_memory")}
        waits = not options.pop("non_blocking", False)
        made = self._placed(func(source, **options).clone())
        self._transfer(made, source, waits)
        return made

    def _copy(self, target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        up, down = isinstance(target, DeviceTensor), isinstance(source, DeviceTensor)
        if up and down:
            target.inner.copy_(source.inner)
            self._note([source], [target], [])
        elif up:
            target.inner.copy_(source)
            if source.dim():
                self._transfer(target, source, not non_blocking)
            else:
                self._note([], [target], [])
        else:
            self._bring(target, source, non_blocking)
        return target

    def _transfer(self, target: DeviceTensor, source: torch.Tensor, waits: bool) -> None:
        stream = self.current_stream().cuda_stream
        time = self._began(stream)
        self._count("copies")
        self._access(target.memory, stream, time, True)
        if not waits and source.untyped_storage().data_ptr() in self._pinned:
            host, start = self._host(), source.data_ptr()
            end = start + source.numel() * source.element_size()
            self._sent = [known for known in self._sent if host.get(known[2], 0) < known[3]]
            if any(start < b and a < end for a, b, _, _ in self._sent):
                self._race("pinned memory is written and sent again before it was read")
            self._sent.append((start, end, stream, time))
        if waits:
            self.wait(self.clock(stream))

    def _bring(self, target: torch.Tensor, source: DeviceTensor, non_blocking: bool) -> None:
        """A copy down, into a host's tensor."""
        stream = self.current_stream().cuda_stream
        time = self._began(stream)
        self._count("copies")
        self._access(source.memory, stream, time, False)
        values = source.inner.clone()
        if non_blocking and target.untyped_storage().data_ptr() in self._pinned:
            target.view(torch.uint8).random_(0, 256) if target.is_contiguous() else target.fill_(1)
            self._arriving.append((stream, time, lambda: target.copy_(values)))
            return
        target.copy_(values)
        self.wait(self.clock(stream))

    def down(self, tensor: DeviceTensor) -> torch.Tensor:
        """A new tensor on the host."""
        with self._lock:
            made = torch.empty_like(tensor.inner)
            self._bring(made, tensor, False)
            return made

    def _indices_up(self, args: Any) -> Any:
        def up(index: Any) -> Any:
            if index is None or isinstance(index, DeviceTensor):
                return index
            made = self._placed(index.clone())
            self._transfer(made, index, True)
            return made

        values = args[2:]
        if values and not isinstance(values[0], DeviceTensor) and values[0].dim():
            values = (up(values[0]), *values[1:])
        return (args[0], [up(index) for index in args[1]], *values)

    def close(self) -> None:
        """What is freed from now on does not count."""
        self._on = False


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    made = FakeGpu()
    made.replace(monkeypatch)
    with made.mode():
        yield made
    made.close()


def _our_lines(count: int) -> str:
    """Where in our code this thread is."""
    ours = [f for f in traceback.extract_stack() if not {"tests", "site-packages"} & set(Path(f.filename).parts)]
    return "; ".join(f"{Path(f.filename).name}:{f.lineno} {f.line}" for f in ours[-count:])


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _merge(clock: Clock, other: Clock) -> None:
    for stream, time in other.items():
        clock[stream] = max(clock.get(stream, 0), time)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, DeviceTensor) else value


def _has_mask(name: str, args: Any) -> bool:
    return name in INDEXED and any(index is not None and index.dtype == torch.bool for index in args[1])
