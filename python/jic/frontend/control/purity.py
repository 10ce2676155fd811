"""What is known of code that is not interpreted: whether it is pure, and whether what it gives is new.

Pure is what has no effect but on what it is given, and gives the same for the same arguments. What is in no table here is
taken to have an effect.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import functools
import itertools
import sys
import types
from typing import Any

import torch


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules of the standard library, and of jic's companions, whose functions and classes are pure but for those below.
PURE_MODULES = _names(
    """
    abc array base64 binascii bisect calendar cmath collections colorsys contextlib copy dataclasses datetime decimal
    difflib enum fractions functools hashlib heapq html inspect itertools json keyword math numbers operator pathlib
    platform re reprlib statistics string struct textwrap types typing typing_extensions unicodedata weakref zlib
    _abc contextvars _contextvars _ast
    _bisect _collections _collections_abc _datetime _decimal _functools _hashlib _heapq _json _operator _statistics
    _struct _weakref _sre posixpath ntpath genericpath importlib numpy jic annotationlib
    """
)
_IMPURE = _names(
    """
    builtins.print builtins.input builtins.open builtins.exec builtins.eval builtins.breakpoint builtins.globals
    builtins.locals builtins.vars builtins.__import__ builtins.help builtins.compile builtins.exit builtins.quit
    _io.open io.open contextlib.redirect_stdout contextlib.redirect_stderr contextlib.chdir
    datetime.now datetime.utcnow datetime.today date.today
    datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today
    posixpath.exists posixpath.lexists posixpath.getsize posixpath.getmtime posixpath.getatime posixpath.getctime
    posixpath.isfile posixpath.isdir posixpath.islink posixpath.ismount posixpath.abspath posixpath.realpath
    posixpath.expandvars posixpath.expanduser posixpath.samefile
    genericpath.exists genericpath.lexists genericpath.getsize genericpath.getmtime genericpath.getatime
    genericpath.getctime genericpath.isfile genericpath.isdir genericpath.samefile genericpath.islink
    inspect.stack inspect.currentframe inspect.trace json.dump json.load importlib.reload
    numpy.save numpy.savez numpy.savez_compressed numpy.load numpy.savetxt numpy.loadtxt numpy.fromfile numpy.memmap
    numpy.genfromtxt numpy.seterr numpy.set_printoptions numpy.copyto numpy.put numpy.place numpy.putmask
    torch.set_grad_enabled torch.set_default_dtype torch.set_default_tensor_type torch.set_default_device
    torch.set_num_threads torch.set_num_interop_threads torch.use_deterministic_algorithms
    torch.set_deterministic_debug_mode torch.set_float32_matmul_precision torch.set_flush_denormal torch.set_warn_always
    torch._C.set_num_threads torch._C.set_num_interop_threads torch._C.set_flush_denormal
    torch._C._set_default_dtype torch._C._set_default_tensor_type
    torch._tensor_str.set_printoptions torch.set_printoptions torch.seed torch.initial_seed torch.set_rng_state
    torch.get_rng_state torch.serialization.save torch.serialization.load torch.save torch.load
    torch.autograd.set_detect_anomaly torch.autograd.anomaly_mode.set_detect_anomaly torch.autograd.grad_mode.set_grad_enabled
    """
)
_PATH_METHODS = _names(
    """
    parts drive root anchor parent name suffix suffixes stem as_posix as_uri is_absolute is_relative_to is_reserved joinpath
    match relative_to with_name with_stem with_suffix with_segments
    """
)
# Parts of torch whose functions reach files, processes, devices, or change what torch does.
_IMPURE_TORCH = (
    "torch.distributed", "torch.multiprocessing", "torch.utils.data", "torch.serialization", "torch.hub", "torch.profiler",
    "torch.cuda", "torch.backends", "torch.optim", "torch.utils.tensorboard", "torch.utils.benchmark", "torch.onnx",
    "torch._logging", "torch.library", "torch.random", "torch.utils.cpp_extension", "torch.package", "torch.export",
)  # fmt: skip
_ASKS = ("is_", "_is_", "get_", "current_", "device_count", "has_")  # functions there that only ask
# Methods of modules and tensors that change the object itself, not its elements.
_TORCH_CHANGES = _names(
    """
    register_buffer register_parameter register_module add_module register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_backward_hook register_hook
    register_post_accumulate_grad_hook load_state_dict share_memory compile __setstate__ set_submodule set_extra_state
    half double bfloat16 cuda cpu type to_empty apply append extend insert pop clear update __setitem__ __delitem__
    """
)
# Functions that may give an object that was there before.
_BORROWS = _names(
    """
    get pop popitem popleft setdefault getitem __getitem__ max min next __next__ getattr reduce heappop heappushpop
    heapreplace iter __iter__ cast attrgetter itemgetter methodcaller call partial choice and_ or_ getattr_static
    iadd ior iand __iadd__ __ior__ ref proxy wraps update_wrapper signature unwrap
    """
)
# What changes a container or iterator that it is a method of.
CHANGES: dict[type, frozenset[str]] = {}


_LIST = _names("append extend insert pop remove clear sort reverse __setitem__ __delitem__ __iadd__ __imul__ __init__")
_DICT = _names(
    "update pop popitem clear setdefault __setitem__ __delitem__ __ior__ __init__ move_to_end subtract __missing__"
)
_SET = _names(
    "add discard remove pop clear update difference_update intersection_update symmetric_difference_update __ior__ __iand__"
    " __ixor__ __isub__ __init__"
)
_DEQUE = _LIST | _names("appendleft extendleft popleft rotate")
# Objects of the standard library's with methods in Python that change them.
CHANGEABLE = (collections.UserDict, collections.UserList, collections.ChainMap, contextlib.ExitStack)
ITERATES = _names("__next__ send throw close")


def changes_of(owner: Any) -> frozenset[str]:
    """The names of methods that change `owner`, a container of Python's."""
    if isinstance(owner, list):
        return _LIST
    if isinstance(owner, dict):
        return _DICT
    if isinstance(owner, (set, frozenset)):
        return _SET
    if type(owner).__name__ in ("deque", "bytearray", "array"):
        return _DEQUE | _names("byteswap frombytes fromlist fromfile fromunicode")
    return frozenset()


# Methods whose result, or exception, depends on what the container holds.
READS_TOO = _names(
    "pop popitem popleft remove setdefault sort reverse rotate insert move_to_end subtract __delitem__ index"
)


def is_iterator(value: Any) -> bool:
    """Whether taking from `value` changes it."""
    return hasattr(type(value), "__next__")


_NEW_EACH_TIME = (itertools.count, enumerate, zip, map, filter)


def _root(name: str) -> str:
    return name.partition(".")[0]


def is_torchs(function: Any) -> bool:
    module = getattr(function, "__module__", None) or ""
    if not isinstance(module, str):
        return False
    return _root(module) == "torch" or type(function).__module__.startswith("torch.")


def full_name(function: Any) -> str:
    """`module.name` of a function or class; of a bound C function its owner's."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", "") or type(function).__qualname__
    if isinstance(owner, types.ModuleType):
        module = module or owner.__name__
    elif isinstance(owner, type) and isinstance(function, types.BuiltinMethodType):
        module, name = owner.__module__, f"{owner.__qualname__}.{function.__name__}"
    elif module is None:
        objclass = getattr(function, "__objclass__", None)
        module = getattr(objclass, "__module__", "") if objclass is not None else type(owner).__module__
    return f"{module}.{name}"


@functools.lru_cache(maxsize=4096)
def _why_impure(module: str, name: str) -> str | None:
    text = f"{module}.{name}"
    short = f"{_root(module)}.{name}"
    if text in _IMPURE or short in _IMPURE:
        return f"{name}() has an effect outside the graph, or another result each time"
    root = _root(module)
    if root == "torch":
        if not module.startswith(_IMPURE_TORCH) or name.rpartition(".")[2].startswith(_ASKS):
            return None
        return f"{text}() reaches beyond the graph"
    if root == "builtins":
        return None
    if root == "pathlib":
        method = name.rpartition(".")[2]
        if "." in name and method not in _PATH_METHODS and not method.startswith("__"):
            return f"{name}() reaches the file system"
        return None
    if root == "numpy":
        return f"{text}() draws random numbers" if ".random" in module or name.startswith("random") else None
    if root in PURE_MODULES:
        return None
    return f"{name}() of {module} is not known to be free of effects"


def why_impure(function: Any) -> str | None:
    """Why a call of `function`, which is not interpreted, cannot be captured; None if it is pure."""
    if isinstance(function, types.BuiltinMethodType):
        owner = function.__self__
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            if isinstance(owner, torch.Tensor) or is_torchs(type(owner)):
                return _why_impure_method(owner, function.__name__)
            name = function.__name__
            bases = (
                c for c in type(owner).__mro__ if name in vars(c) and not isinstance(vars(c)[name], types.FunctionType)
            )
            class_ = next(bases, type(owner))
            return _why_impure(class_.__module__ or "", f"{class_.__qualname__}.{function.__name__}")
    if isinstance(function, types.MethodWrapperType):
        return None
    if not isinstance(function, (types.FunctionType, types.BuiltinFunctionType, type)) and not hasattr(
        function, "__objclass__"
    ):
        if isinstance(function, types.MethodType):
            return why_impure(function.__func__)
        # An object that is called: its class says.
        name = type(function).__module__
        if isinstance(function, torch.nn.Module):
            return None  # what it calls of the user's is watched
        if name.partition(".")[0] == "torch":
            return _why_impure(getattr(function, "__module__", None) or name, getattr(function, "__name__", ""))
        return _why_impure(name, type(function).__qualname__)
    module, _, _ = (text := full_name(function)).partition(".")
    path = getattr(function, "__module__", None)
    if isinstance(path, str) and text.startswith(path + "."):
        module = path
    reason = _why_impure(module, text[len(module) + 1 :])
    if reason is None and isinstance(function, types.FunctionType) and module.startswith("torch.nn"):
        owner, _, name = function.__qualname__.rpartition(".")
        if owner and name in _TORCH_CHANGES:
            return f"{function.__qualname__}() changes the module"
    return reason


def _why_impure_method(owner: Any, name: str) -> str | None:
    if isinstance(owner, torch.Generator):
        return f"Generator.{name}() reaches random numbers' state" if name not in ("device",) else None
    if name in ("register_hook", "numpy", "share_memory_", "__setstate__", "set_data"):
        return f"{name}() of a tensor reaches beyond the graph"
    return None


def gives_new(function: Any) -> bool:
    """Whether containers that a pure `function` gives are made by it."""
    name = getattr(function, "__name__", type(function).__name__)
    return name not in _BORROWS and type(function).__name__ not in (
        "itemgetter",
        "attrgetter",
        "methodcaller",
        "partial",
    )


def holds_foreign_memory(value: Any) -> bool:
    """Whether `value` is a NumPy array: nobody notices when its elements change."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


# Builtins that call what they are given: these run the user's functions.
TAKE_FUNCTIONS = (
    map, filter, sorted, functools.reduce, itertools.accumulate, itertools.starmap, itertools.takewhile,
    itertools.dropwhile, itertools.filterfalse, itertools.groupby, builtins.max, builtins.min,
)  # fmt: skip


def is_standard(module: str) -> bool:
    """Whether a module is the standard library's."""
    return _root(module) in sys.stdlib_module_names and _root(module) != "__main__"
