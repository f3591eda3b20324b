"""Names to import strings: what lebm and its plugins have registered, found by entry points."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from lebm_core.errors import MissingExtra, UsageError, did_you_mean, shown
from lebm_core.registry import builtin, hookspecs
from lebm_core.registry.extras import extra_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["KINDS", "Plugin", "Registration", "Registry", "registry"]

KINDS = (
    "models",
    "priors",
    "energies",
    "samplers",
    "decoders",
    "encoders",
    "inference",
    "learning_rules",
    "adapters",
    "datasets",
    "metrics",
    "figures",
    "baselines",
    "controls",
    "recipes",
    "commands",
)
HALVES = ("decoder.", "prior.")  # of the rule "two-part": their names stand at other keys
LIMIT = "LEBM_LOAD_PLUGINS"
CORE = "lebm"


class Plugin(NamedTuple):
    """One entry point and what became of it; `status` is loaded, failed or not loaded."""

    name: str
    distribution: str
    version: str
    status: str
    error: str = ""


class Registration(NamedTuple):
    """A registered name: `target` is "module:attribute" ("package:file" for recipes)."""

    name: str
    target: str
    summary: str
    plugin: str


class Registry:
    """The registrations of the core and of the plugins given.

    Args:
        entry_points: the plugins, loaded one by one: one that fails is kept with its error and
            breaks nothing else.
        limit: names of the plugins to load; None for all.

    Attributes:
        clash: '' or the message about two plugins that registered the same name.
    """

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint] = (),
        limit: Iterable[str] | None = None,
    ) -> None:
        self.clash = ""
        self._found: dict[str, dict[str, Registration]] = {kind: {} for kind in KINDS}
        self._plugins: dict[tuple[str, str], Plugin] = {}
        self._hooks = pluggy.PluginManager(hookspecs.PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        self._add(builtin, CORE)
        wanted = None if limit is None else set(limit)
        points = sorted(entry_points, key=lambda point: (point.name, point.value))
        for point in points:
            self._load(point, wanted)
        for name in sorted((wanted or set()) - {point.name for point in points}):
            near = did_you_mean(name, [point.name for point in points])
            _warn(f'{LIMIT} names the plugin "{name}", which is not installed.{near}')

    def get(self, kind: str, name: str) -> Any:
        """The object registered as `name`, imported now.

        Raises:
            UsageError: no such name, or its module cannot be imported.
            MissingExtra: its module needs a package that is not installed.
        """
        entry = self.find(kind, name)
        module, _, attribute = entry.target.partition(":")
        label = f'{kind} "{name}"'
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if not package or package == module.partition(".")[0]:
                raise UsageError(
                    f"{label} of {entry.plugin} cannot be imported: {error}."
                ) from error
            extra = extra_of(package, self._distribution(entry.plugin))
            raise MissingExtra(package, extra, needed_by=label) from error
        except (ImportError, AttributeError) as error:
            raise UsageError(f"{label} of {entry.plugin} cannot be imported: {error}.") from error
        return found

    def find(self, kind: str, name: str) -> Registration:
        """The registration of `name`, with nothing imported; UsageError where there is none."""
        if name not in (names := self._found[kind]):
            half = next((half for half in HALVES if name.startswith(half)), "")
            there = (n for n in names if n.startswith(half) and (half or not n.startswith(HALVES)))
            failed = ", ".join(p.name for p in self.plugins() if p.status == "failed")
            hint = f" (the plugin {failed} failed to load: lebm plugins)" if failed else ""
            raise UsageError(
                f"There is no {shown(name)} among the {kind}.{did_you_mean(name, names)} Known: "
                f"{', '.join(sorted(there)) or 'none'}{hint}."
            )
        return names[name]

    def kinds(self) -> tuple[str, ...]:
        """The kinds of parts, `KINDS`."""
        return KINDS

    def names(self, kind: str) -> list[str]:
        """The registered names of a kind (one of `KINDS`), sorted."""
        return sorted(self._found[kind])

    def entries(self, kind: str) -> list[Registration]:
        """The registrations of a kind as they were made: lebm's own first, then by plugin."""
        return list(self._found[kind].values())

    def recipe_file(self, name: str) -> Traversable:
        """The TOML file of a registered recipe."""
        from importlib.resources import files  # `lebm --help` starts without it

        package, _, file = self.find("recipes", name).target.partition(":")
        return files(package).joinpath(file)

    def plugins(self) -> list[Plugin]:
        """Every plugin that is installed, loaded or not."""
        return sorted(self._plugins.values())

    def _load(self, point: importlib.metadata.EntryPoint, wanted: set[str] | None) -> None:
        distribution, version = _name_and_version(point.dist) if point.dist else ("unknown", "")
        plugin = Plugin(point.name, distribution, version, "loaded")
        if wanted is not None and point.name not in wanted:
            plugin = plugin._replace(status="not loaded", error=f"left out by {LIMIT}")
        elif self._hooks.has_plugin(point.name):
            self._clash("plugin", point.name, self._distribution(point.name), distribution)
            plugin = plugin._replace(status="failed", error=self.clash)
        else:
            self._plugins[point.name, distribution] = plugin
            try:
                self._add(point.load(), point.name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a module may even call sys.exit
                self._forget(point.name)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                plugin = plugin._replace(status="failed", error=reason)
                _warn(f"the plugin {point.name} ({distribution}) failed to load: {reason}")
        self._plugins[point.name, distribution] = plugin

    def _add(self, module: ModuleType, name: str) -> None:
        self._hooks.register(module, name)
        for caller in self._hooks.get_hookcallers(module) or []:
            if not caller.has_spec():
                known = [hook for hook in vars(hookspecs) if hook.startswith("lebm_register_")]
                raise UsageError(f"unknown hook {caller.name}.{did_you_mean(caller.name, known)}")
        for hook, value in vars(module).items():
            if hook.startswith("lebm_register_") and not hasattr(
                value, f"{hookspecs.PROJECT}_impl"
            ):
                raise UsageError(f"{hook} is not marked with @lebm_core.hookimpl.")
        others = [plugin for plugin in self._hooks.get_plugins() if plugin is not module]
        for kind in KINDS:
            register = self._hooks.subset_hook_caller(f"lebm_register_{kind}", others)
            register(register=functools.partial(self._register, kind, name))

    def _register(self, kind: str, plugin: str, name: str, target: str, summary: str = "") -> None:
        if target.count(":") != 1:
            raise UsageError(f'{kind} "{name}": the target "{target}" is not "module:attribute"')
        taken = self._found[kind].get(name)
        if taken is not None:
            self._clash(kind, name, taken.plugin, plugin)
        else:
            self._found[kind][name] = Registration(name, target, summary, plugin)

    def _clash(self, kind: str, name: str, first: str, second: str) -> None:
        self.clash = self.clash or (
            f'{kind} "{name}" is registered twice, by {first} and by {second}:'
            f" uninstall one of them or name the plugins to load in {LIMIT}."
        )

    def _forget(self, plugin: str) -> None:
        """Undoes what a plugin had registered before it failed."""
        self._hooks.unregister(name=plugin) if self._hooks.has_plugin(plugin) else None
        for names in self._found.values():
            for name in [name for name, entry in names.items() if entry.plugin == plugin]:
                del names[name]

    def _distribution(self, plugin: str) -> str:
        installed = self._plugins.values()
        return next((each.distribution for each in installed if each.name == plugin), CORE)


@functools.cache
def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    about = distribution.metadata  # once for all its plugins: the whole README is parsed
    return about["Name"], about["Version"]


@functools.cache
def discover() -> Registry:
    """The registry of all installed plugins, even where two of them clash."""
    limit = os.environ.get(LIMIT)
    wanted = None if limit is None else [name.strip() for name in limit.split(",") if name.strip()]
    return Registry(importlib.metadata.entry_points(group=hookspecs.PROJECT), wanted)


def registry() -> Registry:
    """The registry of all installed plugins, made once.

    Raises:
        UsageError: two plugins registered the same name; both are named.
    """
    found = discover()
    if found.clash:
        raise UsageError(found.clash)
    return found


def _warn(message: str) -> None:
    print(f"lebm: warning: {message}", file=sys.stderr)
