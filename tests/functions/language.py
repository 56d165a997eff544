"""What CloudFront's JavaScript (cloudfront-js-2.0) understands, as an allow-list over the syntax tree.

ES5.1 and a little more: whatever is not known to run there is a problem, so a new piece of syntax fails before it is deployed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

_SYNTAX_WORDS = """
    program comment import_statement import_clause
    expression_statement empty_statement statement_block lexical_declaration variable_declaration variable_declarator
    function_declaration function_expression arrow_function formal_parameters return_statement
    if_statement else_clause for_statement for_in_statement while_statement do_statement break_statement continue_statement
    labeled_statement statement_identifier switch_statement switch_body switch_case switch_default
    throw_statement try_statement catch_clause finally_clause
    identifier property_identifier this undefined null true false number string string_fragment escape_sequence
    regex regex_pattern regex_flags template_string template_substitution array object pair
    parenthesized_expression sequence_expression member_expression subscript_expression call_expression new_expression arguments
    unary_expression update_expression binary_expression ternary_expression assignment_expression augmented_assignment_expression
    await_expression
"""
_SYNTAX = frozenset(_SYNTAX_WORDS.split())
_TOKENS = frozenset({"of", "??", "??=", "||=", "&&=", "**", "**=", "*"})
_FUNCTIONS = frozenset({"function_declaration", "function_expression", "arrow_function"})
_NAME_WORDS = """
    Map Set WeakMap WeakSet WeakRef Proxy Reflect Intl BigInt URL URLSearchParams eval Function globalThis window process
    fetch XMLHttpRequest setTimeout setInterval matchAll replaceAll structuredClone constructor __proto__
"""
_NAMES = frozenset(_NAME_WORDS.split())
# What a semicolon may end that ends without one as well.
_ENDED = ("_statement", "_declaration")
_MODULES = frozenset({"cloudfront", "crypto", "querystring", "buffer"})


def problems(source: str) -> list[str]:
    """What in `source` CloudFront would not run, each with its line; empty when it is fit."""
    root = Parser(Language(tree_sitter_javascript.language())).parse(source.encode()).root_node
    return [f"line {node.start_point[0] + 1}: {what}" for node in _walk(root) for what in _wrong(node)]


def shape(source: str) -> list[str]:
    """The syntax tree without comments, white space and the semicolons that end statements: what a program means hangs on it."""
    root = Parser(Language(tree_sitter_javascript.language())).parse(source.encode()).root_node
    return list(_shape(root))


def _shape(node: Node) -> Iterator[str]:
    ends = node.type == ";" and node.parent is not None and node.parent.type.endswith(_ENDED)
    if node.type == "comment" or (ends and not node.is_missing):
        return
    yield node.type if node.children or node.is_missing else (node.text or b"").decode()
    for child in node.children:
        yield from _shape(child)
    yield "end"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _wrong(node: Node) -> Iterator[str]:
    text = (node.text or b"").decode()
    if node.is_error or node.is_missing:
        yield f"does not parse: {text[:40]}"
    elif node.is_named and node.type not in _SYNTAX:
        yield f"{node.type}: {text[:40]}"
    elif not node.is_named and node.type in _TOKENS and not _is_multiplication(node):
        yield f"the token {text}"
    elif node.type in ("identifier", "property_identifier") and text in _NAMES:
        yield f"the name {text}"
    elif node.type == "catch_clause" and node.child_by_field_name("parameter") is None:
        yield "catch without a parameter"
    elif node.type == "await_expression" and _in_arguments(node):
        yield f"await inside call arguments: {text[:40]}"
    elif node.type == "template_string" and node.parent is not None and node.parent.type == "call_expression":
        yield f"a tagged template: {text[:40]}"
    elif node.type == "number" and not re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+(\.\d+)?([eE][+-]?\d+)?", text):
        yield f"the number {text}"
    elif node.type == "regex_flags" and not set(text) <= set("gim"):
        yield f"the regular expression flags {text}"
    elif node.type == "regex_pattern" and re.search(r"\(\?<|\\p\{|\\k<", text):
        yield f"the regular expression {text}"
    elif node.type == "import_statement" and _module(node) not in _MODULES:
        yield f"the module {_module(node)}"


def _is_multiplication(node: Node) -> bool:
    return node.type == "*" and node.parent is not None and node.parent.type == "binary_expression"


def _in_arguments(node: Node) -> bool:
    above = node.parent
    while above is not None and above.type not in _FUNCTIONS:
        if above.type == "arguments":
            return True
        above = above.parent
    return False


def _module(node: Node) -> str:
    source = node.child_by_field_name("source")
    return (source.text or b"").decode().strip("'\"") if source else ""
