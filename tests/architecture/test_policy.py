"""No socket leads outside past the policy: nobody is given a free one by default, and few modules open any."""

from __future__ import annotations

import ast

from tests.support.source import imports_of, modules, tree_of

POLICY = "blobtorrent.network.binding"
MAY_GO_ANYWHERE = {
    "blobtorrent.interface.rest.listeners",                # the API
    "blobtorrent.interface.hooks.webhook",                 # to this machine and private networks, as the manual says
}
MAY_OPEN_SOCKETS = {POLICY, "blobtorrent.discovery.lsd"}
MAY_LOOK_NAMES_UP = {"blobtorrent.network.outgoing"}
MAY_SPEAK_HTTP_BY_ITSELF = {"blobtorrent.cli.transport", "blobtorrent.discovery.seedreader"}

LOOK_UPS = {"getaddrinfo", "gethostbyname", "gethostbyname_ex", "getnameinfo", "create_connection"}
INSIDE = {"AF_UNIX", "AF_NETLINK"}                         # families that lead nowhere else


def calls(module: str, *names: str) -> list[ast.Call]:
    """Where one of these attributes or names is called."""
    return [
        node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in names
    ]


def has_free_default(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    arguments = function.args
    ordered = [*arguments.posonlyargs, *arguments.args]
    given = ordered[len(ordered) - len(arguments.defaults):]
    given += [name for name, default in zip(arguments.kwonlyargs, arguments.kw_defaults) if default is not None]
    return any(name.arg in ("binding", "admits") for name in given)


def test_whoever_opens_connections_has_to_be_told_the_policy():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    assert {
        module for module in modules() for node in ast.walk(tree_of(module))
        if isinstance(node, functions) and has_free_default(node)
    } == set()


def test_a_free_policy_is_used_where_the_design_says_so():
    users = {
        module for module in modules() for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.module == POLICY
        and any(alias.name in ("ANYWHERE", "*") for alias in node.names)
    }
    makers = {
        module for module in modules() if any(not call.args and not call.keywords for call in calls(module, "Binding"))}
    assert users == MAY_GO_ANYWHERE
    assert makers == {POLICY}


def test_sockets_that_lead_outside_are_opened_by_the_policy():
    def leads_outside(call: ast.Call) -> bool:
        is_taken_over = any(keyword.arg == "fileno" for keyword in call.keywords)
        family = call.args[0] if call.args else None
        return not is_taken_over and not (isinstance(family, ast.Attribute) and family.attr in INSIDE)

    assert {module for module in modules() if any(map(leads_outside, calls(module, "socket")))} == MAY_OPEN_SOCKETS
    assert {module for module in modules() if calls(module, *LOOK_UPS)} == MAY_LOOK_NAMES_UP


def test_nobody_else_speaks_http():
    users = {module for module in modules() for imported, _ in imports_of(module)
             if imported in ("http.client", "urllib.request", "http")}
    assert users == MAY_SPEAK_HTTP_BY_ITSELF


def test_a_free_default_is_noticed():
    for source in ("def f(a, binding=FREE): ...", "def f(*, admits=x, b): ...", "lambda binding=FREE: 1"):
        node = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.Lambda))
        assert has_free_default(node)
    node = ast.parse("def f(binding, a=1, *, admits, b=2): ...").body[0]
    assert isinstance(node, ast.FunctionDef) and not has_free_default(node)
